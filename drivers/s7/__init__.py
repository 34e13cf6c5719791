"""S7 communication with Siemens CPUs over ISO on TCP, port 102. Reading only.

    address    what an address means            types     how many bytes a type takes
    stretch    bytes of an area, and their cost  pack      the fewest requests that read them
    planner    the requests of a device          request   one of them, as native/s7 reads it
    check      what is wrong, offline            station   how a CPU is called
    learn      limits from what a CPU refuses    causes    what a refusal means
    simulator  a CPU, of its own code

Only reads exist here: nothing in this folder can write to a PLC.
"""

from __future__ import annotations

from drivers.api import DevicePlan, DeviceSpec, GroupPlan, NativeDriver, Problem, Speaker
from drivers.s7.check import check
from drivers.s7.keys import KEYS
from drivers.s7.planner import plan_device
from drivers.s7.words import WORDS

__all__ = ["DRIVER", "S7Driver"]


class S7Driver:
    """The `drivers.api.NativeDriver` of S7. Stateless; any thread."""

    name = "s7"
    keys = KEYS
    words = WORDS
    example_tag = 'address = "DB12.DBD4", type = "float32"'
    lacks = ("unit", "framing")

    def check(self, device: DeviceSpec) -> list[Problem]:
        """Everything wrong with the device's addresses, types and TSAPs; no error in it: `plan`
        will succeed.
        """
        return check(device)

    def plan(self, device: DeviceSpec) -> DevicePlan:
        """The fewest requests that read the device by the shortest PDU that CPUs grant."""
        return plan_device(device)

    def example(self, group: GroupPlan, seed: str, count: int) -> list[bytes]:
        """The row's data of `count` successive scans, as `jiahe-sim` gives them."""
        from drivers.s7.simulator.example import scans

        return scans(group, count)

    def usual_port(self, device: DeviceSpec) -> int:
        """The port of ISO on TCP (RFC 1006)."""
        return 102

    def speaker(self) -> Speaker:
        """What it adds to the scanning of its devices."""
        from drivers.s7.runner import SPEAKER

        return SPEAKER

    def shares(self, device: DeviceSpec) -> bool:
        """A CPU has its connection to itself."""
        return False


DRIVER: NativeDriver = S7Driver()
