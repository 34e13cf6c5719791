"""What DL/T 645 adds to the scanning of its meters on the native floor."""

from __future__ import annotations

from typing import Any

from drivers.api import Speaker
from drivers.dlt645.learn import Learner
from drivers.dlt645.station import called, station_of
from drivers.quality import BAD_DEVICE_FAILURE, BAD_REFUSED

#: The code of an answer of a wrong size, as native/dlt645/protocol has it.
_WRONG_SIZE = 0x100


def cause(quality: int, code: int) -> dict[str, Any] | None:
    """What a refusal means, in words; `code` is the meter's error word."""
    if quality == BAD_REFUSED:
        message = "dlt645.answer_length" if code == _WRONG_SIZE else "dlt645.no_data"
        return {"id": message, "args": {}}
    if quality == BAD_DEVICE_FAILURE:
        return {"id": "dlt645.error", "args": {"code": f"{code:02X}"}}
    return None


SPEAKER = Speaker(station_of, Learner, cause, called=called)
