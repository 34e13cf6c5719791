"""A conversation in virtual time with the driver in it: what it learns becomes its next plan, and
what it makes of the counters is put into words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drivers.api import DeviceSpec, TagSpec
from drivers.modbus.planner import plan_device
from drivers.scan import NativeRunner, open_links
from gateway.report.causes import explain
from gateway.report.recent import Recent
from tests.kit.scans import Box
from tests.kit.talk import MS, Talk

LEARN_MS = 250


@dataclass
class Wired(Talk):
    """A device `u1` for each unit of `asks`, whose registers are tags that the planner puts into
    requests. `kept`: what an earlier one had `learned`.
    """

    kept: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        spec, framing = self.spec(), self.framing
        kinds: Any = {1: "uint16", 2: "uint32"}
        devices = [
            DeviceSpec(
                f"u{unit}",
                spec,
                "modbus",
                tuple(
                    TagSpec(f"{unit}:{at}", f"holding:{at}", kinds[ask.size], ask.every_ms * MS)
                    for ask in self.asks
                    if ask.unit == unit
                    for at in ask.reads
                ),
                unit,
                framing,  # type: ignore[arg-type]  # a plain string
            )
            for unit in sorted({ask.unit for ask in self.asks})
        ]
        plans = [plan_device(device) for device in devices]
        self.opened = open_links([(spec, plans)], 1, self.kept)
        (runner,) = self.opened.runners
        assert isinstance(runner, NativeRunner)
        self.runner = runner
        self.recent = Recent()
        groups = [group for plan in plans for group in plan.groups]
        self.box = Box(groups, groups=self.opened.groups)
        self.begin(runner.buses[0].link)
        self.at(LEARN_MS, self._learn)

    def _learn(self) -> None:
        for bus in self.runner.buses:
            bus.learn(self.rig.now)
        self.at(self.now_ms + LEARN_MS, self._learn)

    @property
    def learned(self) -> dict[str, Any]:
        """As it is kept over a restart."""
        return self.opened.learned()

    def said(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The link and its devices, with causes in words."""
        links: Any = self.runner.links()
        devices: Any = self.runner.devices()
        explain(links, devices, self.opened.latest, self.recent, self.rig.now)
        return links[0], devices
