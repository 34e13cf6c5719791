"""DL/T 645-2007 (and -1997): electricity meters on serial lines and behind DTUs. Reading only.

    identifiers  what the standard's data identifiers bring
    reads        the fewest bytes on the wire     planner   the requests of a meter's tags
    check        what is wrong, offline           learn     blocks that a meter does not give
    station      how a meter is called            runner    scanning, on the native floor
    profiles/    three-phase and single-phase     simulator meters, of their own code

Only the control codes that read exist here: nothing in this folder can set anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drivers.api import DevicePlan, DeviceSpec, GroupPlan, NativeDriver, Problem, Speaker
from drivers.dlt645.check import check, check_line
from drivers.dlt645.identifiers import IdentifierError
from drivers.dlt645.keys import KEYS
from drivers.dlt645.planner import known, plan_device, row_type
from drivers.dlt645.words import WORDS

__all__ = ["DRIVER", "Dlt645Driver"]


class Dlt645Driver:
    """The `drivers.api.NativeDriver` of DL/T 645. Stateless; any thread."""

    name = "dlt645"
    keys = KEYS
    words = WORDS
    example_tag = 'address = "02010100"'
    lacks = ("unit", "framing")

    def check(self, device: DeviceSpec) -> list[Problem]:
        """Everything wrong with the meter's address and its tags; no error in it: `plan` will
        succeed.
        """
        return check(device)

    def check_line(self, devices: Sequence[DeviceSpec]) -> list[tuple[DeviceSpec, Problem]]:
        """What is wrong with all devices of one link together, and with which of them."""
        return check_line(devices)

    def known(self, address: str) -> dict[str, Any]:
        """Keys of a tag that the standard knows of its address. Of one that it does not have any
        type will do: `check` says what is wrong with it.
        """
        try:
            value = known(address)
        except IdentifierError:
            return {"type": "int32"}
        found: dict[str, Any] = {"type": row_type(value)}
        if value.type == "string":
            return {**found, "length": value.length}
        return {**found, "scale": value.scale, "unit": value.unit}

    def plan(self, device: DeviceSpec) -> DevicePlan:
        """The requests that read the meter with the fewest bytes on the wire."""
        return plan_device(device)

    def example(self, group: GroupPlan, seed: str, count: int) -> list[bytes]:
        """The answers' data of `count` successive scans, as a simulated meter gives them."""
        from drivers.dlt645.simulator.example import scans

        return scans(group, seed, count)

    def speaker(self) -> Speaker:
        """What it adds to the scanning of its devices."""
        from drivers.dlt645.runner import SPEAKER

        return SPEAKER

    def shares(self, device: DeviceSpec) -> bool:
        """Any line will do."""
        return True


DRIVER: NativeDriver = Dlt645Driver()
