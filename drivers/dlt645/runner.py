"""What DL/T 645 adds to the scanning of its meters on the native floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drivers.api import DevicePlan, LinkSpec, OpenedLinks
from drivers.dlt645.learn import Learner
from drivers.dlt645.station import station_of
from drivers.scan import Speaker
from drivers.scan import open_links as open_all

_REFUSED, _FAILURE = 133, 134
#: As native/dlt645/protocol says it.
_WRONG_SIZE = 0x100


def cause(quality: int, code: int) -> dict[str, Any] | None:
    """What a refusal means, in words; `code` is the meter's error word."""
    if quality == _REFUSED:
        message = "dlt645.answer_length" if code == _WRONG_SIZE else "dlt645.no_data"
        return {"id": message, "args": {}}
    if quality == _FAILURE:
        return {"id": "dlt645.error", "args": {"code": f"{code:02X}"}}
    return None


_SPEAKER = Speaker("dlt645", station_of, Learner, cause)


def open_links(
    links: Sequence[tuple[LinkSpec, Sequence[DevicePlan]]],
    first_group: int,
    kept: Mapping[str, Any],
    pool: Any = None,
) -> OpenedLinks:
    """Build everything that scanning needs; nothing is opened or sent before the runners run."""
    return open_all(_SPEAKER, links, first_group, kept, pool)
