"""A box with two interfaces in a network namespace of its own, and its platform in another.

    simulators ── jiahe run ──┬─ eth0  ── cable ─┬── jiahe-ingest serve
                              └─ wwan0 ── cell ──┘        10.70.0.1
    (this process's namespace)                     (another namespace)

    unshare [--user --map-root-user] --net python -m tests.kit.two_ways FOLDER

plays the story and prints what went by which way, as JSON. It needs a namespace for itself, since a
process can't change that of others.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.kit.factory import Factory
from tests.kit.rig import wait_for

PLATFORM = "10.70.0.1"
#: Name, the box's interface, the platform's end of it, the net, and the metric of the box's route.
WAYS = (("cable", "eth0", "a0", "10.71.0", 100), ("cell", "wwan0", "a1", "10.72.0", 200))
UPLINKS = """
[uplinks.cable]
interface = "eth0"

[uplinks.cell]
interface   = "wwan0"
metered     = true
data_budget = "1 GB/month"
"""
#: A hardware address that nobody has: what goes there arrives nowhere, and nobody is told.
NOBODY = "02:00:00:00:00:99"


class TwoWays(Factory):
    """The factory, whose platform is reached by two interfaces and no relay."""

    reached = (PLATFORM,)
    host = PLATFORM

    def __enter__(self) -> Self:
        self._net = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._net.stdout is not None
        self._net.stdout.readline()  # it is there now
        self.there = ("nsenter", "--target", str(self._net.pid), "--net")
        try:
            self._lay()
            return super().__enter__()
        except BaseException:
            self._net.kill()
            raise

    def __exit__(self, *reason: object) -> None:
        super().__exit__(*reason)
        self._net.kill()
        self._net.wait()

    def start_receiver(self, within: Sequence[str] = ()) -> None:
        super().start_receiver(within or self.there)

    def head(self, *, platform: str = "", buffer: str = "") -> str:
        return super().head(platform=platform, buffer=buffer) + UPLINKS

    @property
    def way_in(self) -> int:
        return self.receiver_port

    def _lay(self) -> None:
        """The wires, with a route to the platform by each."""
        _ip("link set lo up")
        self._far("link set lo up")
        self._far(f"addr add {PLATFORM}/32 dev lo")
        for _, interface, end, net, metric in WAYS:
            _ip(f"link add {interface} type veth peer name {end} netns {self._net.pid}")
            _ip(f"addr add {net}.2/24 dev {interface}")
            _ip(f"link set {interface} up")
            self._far(f"addr add {net}.1/24 dev {end}")
            self._far(f"link set {end} up")
            _ip(f"route add default via {net}.1 dev {interface} metric {metric}")

    def _far(self, words: str) -> None:
        subprocess.run([*self.there, "ip", *words.split()], check=True)

    def swallow(self, way: str) -> None:
        """What the platform says by it arrives nowhere."""
        ((end, net),) = ((end, net) for name, _, end, net, _ in WAYS if name == way)
        self._far(f"neigh replace {net}.2 lladdr {NOBODY} dev {end} nud permanent")

    def unplug(self, way: str) -> None:
        (end,) = (end for name, _, end, _, _ in WAYS if name == way)
        self._far(f"link set {end} down")

    def plug(self, way: str) -> None:
        """It is well again."""
        (end,) = (end for name, _, end, _, _ in WAYS if name == way)
        self._far(f"link set {end} up")
        self._far(f"neigh flush dev {end} nud permanent")

    def ways(self) -> dict[str, Any]:
        return {way["name"]: way for way in self.told()["uplink"]["ways"]}

    def wait_by(self, way: str) -> None:
        """Until what is read now arrives by that way."""

        def is_by() -> bool:
            told = self.told()
            used = [one["name"] for one in told["uplink"]["ways"] if one["used"]]
            return used == [way] and told["uplink"]["state"] == "connected"

        wait_for(f"the way {way}", is_by)
        self.wait_acked(self.told()["counters"]["scans"])
        self.wait_drained()


def _ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


def main() -> int:
    marks: dict[str, Any] = {}
    with TwoWays(Path(sys.argv[1])) as box:
        box.start()
        box.wait_by("cable")
        marks["by cable"] = box.ways()
        box.swallow("cable")
        box.wait_by("cell")
        marks["by cell"] = box.ways()
        box.plug("cable")
        box.unplug("cell")
        box.wait_by("cable")
        marks["by cable again"] = box.ways()
        box.unplug("cable")
        box.run_for(5)
        box.plug("cell")
        box.wait_by("cell")
        marks["by cell again"] = box.ways()
        assert box.stop_daemon() == 0
        report, _ = box.settle()
    marks["sampled"], marks["stored"] = report.sampled, report.stored
    sys.stdout.write(json.dumps(marks) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
