"""A Modbus device as the native engine asks it."""

from __future__ import annotations

from drivers.api import DeviceSpec, Station
from native.modbus.table import PROTOCOLS


def station_of(device: DeviceSpec) -> Station:
    return Station(device.name, PROTOCOLS[device.framing], bytes([device.unit]), device.pause_ns)
