"""Scanning S7 CPUs on the native floor (`drivers.scan`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drivers import scan
from drivers.api import DevicePlan, DeviceSpec, LinkSpec, OpenedLinks, Station
from drivers.s7 import causes
from drivers.s7.learn import Learner
from drivers.s7.station import station_of
from native.s7.protocol import PROTOCOL

_REFUSED = 133


def open_links(
    links: Sequence[tuple[LinkSpec, Sequence[DevicePlan]]],
    first_group: int,
    kept: Mapping[str, Any],
    pool: Any = None,
) -> OpenedLinks:
    """Build everything that scanning needs; nothing is opened or sent before the runners run."""
    return scan.open_links(SPEAKER, links, first_group, kept, pool)


def station(device: DeviceSpec) -> Station:
    """A CPU as the engine asks it."""
    own = dict(device.own)
    called = station_of(
        own.get("rack", 0), own.get("slot", 1), own.get("tsap", ""), own.get("local_tsap", "")
    )
    return Station(device.name, PROTOCOL, called.encode(), device.pause_ns)


def _cause(quality: int, code: int) -> dict[str, Any] | None:
    """Codes of a whole request have a class; those of an item are a byte."""
    if quality != _REFUSED or not code:
        return None
    said = causes.of_item(code) if code < causes.CLASSES else causes.of_read(code)
    return {"id": said, "args": {}}


SPEAKER = scan.Speaker("s7", station, Learner, _cause)
