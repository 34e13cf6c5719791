"""[uplinks] out of its tables: what only several keys together show to be wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.config.check import Place, check_table, complete, without_dotted
from gateway.config.model import UplinkWay
from gateway.config.problems import Problems
from gateway.config.schema import UPLINK
from gateway.config.tags import judge_name

#: A name that the kernel takes: 15 characters, no space, slash or colon (its dev_valid_name).
_INTERFACE = re.compile(r"(?!\.{1,2}$)[!-.0-9;-~]{1,15}")


def build_ways(
    named: Iterable[tuple[str, Place, Mapping[str, Any]]],
    budget_at: Place | None,
    problems: Problems,
) -> list[UplinkWay]:
    """All that are right. `budget_at`: where [platform] says a data_budget; None: it does not."""
    ways: list[UplinkWay] = []
    places: dict[str, Place] = {}
    for name, place, data in named:
        way = _build(name, place, data, problems)
        if budget_at is not None:
            problems.append(budget_at.error("config.budget_of_uplink", name=name))
            budget_at = None
        if way is None:
            continue
        if first := places.get(way.interface):
            args = {"interface": way.interface, "first": first.where()}
            problems.append((place / "interface").value_error("config.interface_twice", **args))
        places.setdefault(way.interface, place)
        ways.append(way)
    return ways


def _build(
    name: str, place: Place, data: Mapping[str, Any], problems: Problems
) -> UplinkWay | None:
    judge_name(name, [name], place, problems)
    written = without_dotted(place, data, UPLINK, problems)
    if data and not written:
        return None
    checked = check_table(place, written, UPLINK, problems)
    if not complete(place, written, checked, UPLINK, problems):
        return None
    interface, budget = checked["interface"], checked["data_budget"]
    if not _INTERFACE.fullmatch(interface):
        problems.append((place / "interface").value_error("config.bad_interface", value=interface))
    if budget is not None and not checked["metered"]:
        problems.append((place / "data_budget").error("config.budget_unmetered"))
    return UplinkWay(name, interface, checked["metered"], budget)
