"""Scanning S7 CPUs on the native floor (`drivers.scan`)."""

from __future__ import annotations

from typing import Any

from drivers.api import DeviceSpec, Speaker, Station
from drivers.quality import BAD_REFUSED, UNCERTAIN_SOURCE_DOUBTS
from drivers.s7 import causes
from drivers.s7.learn import Learner
from drivers.s7.station import calls
from native.s7.protocol import PROTOCOL


def station(device: DeviceSpec) -> Station:
    """A CPU as the engine asks it."""
    return Station(device.name, PROTOCOL, calls(device).encode(), device.pause_ns)


def _cause(quality: int, code: int) -> dict[str, Any] | None:
    """Codes of a whole request have a class; those of an item are a byte."""
    if quality == UNCERTAIN_SOURCE_DOUBTS:
        return {"id": "s7.stopped", "args": {}}
    if quality != BAD_REFUSED or not code:
        return None
    said = causes.of_item(code) if code < causes.CLASSES else causes.of_read(code)
    return {"id": said, "args": {}}


SPEAKER = Speaker(
    station, Learner, _cause, unwelcome="s7.not_connected", garbage="s7.garbage", orders=True
)
