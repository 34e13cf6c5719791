"""A meter as the native engine asks it."""

from __future__ import annotations

from drivers.api import DeviceSpec, Station
from drivers.dlt645.planner import station_of as address_of
from native.dlt645.protocol import PROTOCOL


def station_of(device: DeviceSpec) -> Station:
    return Station(device.name, PROTOCOL, address_of(device), device.pause_ns)


def called(device: DeviceSpec) -> str:
    """The twelve digits on its plate; of the only meter on a line, which may go without, ""."""
    return str(dict(device.own).get("meter", ""))
