"""Modbus: RTU and ASCII on serial lines, MBAP, RTU and ASCII over TCP, MBAP over UDP. Reading only.

    address    what an address means            limits    how much a device takes, and where
    wire       what a request costs             learn     limits from what a device refuses
    planner    the cheapest requests            runner    scanning, on the native floor
    check      what is wrong, offline           simulator a slave, of its own code
    profiles/  makes and models             keys      that only its devices have

Only the functions 1, 2, 3 and 4 exist here: nothing in this folder can write to a machine.
"""

from __future__ import annotations

from drivers.api import DevicePlan, DeviceSpec, GroupPlan, NativeDriver, Problem, Speaker
from drivers.modbus.check import check
from drivers.modbus.keys import KEYS
from drivers.modbus.planner import plan_device
from drivers.modbus.words import WORDS

__all__ = ["DRIVER", "ModbusDriver"]


class ModbusDriver:
    """The `drivers.api.NativeDriver` of Modbus. Stateless; any thread."""

    name = "modbus"
    keys = KEYS
    words = WORDS

    def check(self, device: DeviceSpec) -> list[Problem]:
        """Everything wrong with the device's addresses, types and limits; no error in it: `plan`
        will succeed.
        """
        return check(device)

    def plan(self, device: DeviceSpec) -> DevicePlan:
        """The requests that read the device in the least time on the wire, within its configured
        limits.
        """
        return plan_device(device)

    def example(self, group: GroupPlan, seed: str, count: int) -> list[bytes]:
        """The answers' data of `count` successive scans, as `jiahe-sim` gives them."""
        from drivers.modbus.simulator.example import scans

        return scans(group, seed, count)

    def usual_port(self, device: DeviceSpec) -> int:
        """502; with TLS (Modbus Security) 802."""
        return 802 if device.link.tls else 502

    def speaker(self) -> Speaker:
        """What it adds to the scanning of its devices."""
        from drivers.modbus.runner import SPEAKER

        return SPEAKER

    def shares(self, device: DeviceSpec) -> bool:
        """MBAP needs a connection of its own."""
        return device.framing != "tcp"


DRIVER: NativeDriver = ModbusDriver()
