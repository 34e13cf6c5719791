"""A small factory on the process rig, and what every fault test asserts of it.

    robot   Modbus TCP, every 10 ms      cnc     Modbus TCP, every 100 ms
    meter   Modbus RTU on a pseudo-terminal at 115,200 baud, every 100 ms

One request a scan each: a row's time is that of the one answer that carried its counter.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from ingest import audit
from ingest.stores.opening import connect_readonly
from tests.kit.books import Stored, read_sampled, read_stored
from tests.kit.crashes import Crashes
from tests.kit.ledger import Report, check
from tests.kit.rig import Rig, wait_for

GATEWAY = "fault-box"
#: The default of [buffer] flush_every.
FLUSH_EVERY_NS = 1_000_000_000
PERIOD_NS = {"robot": 10_000_000, "cnc": 100_000_000, "meter": 100_000_000}
#: The most that a thread of a busy machine comes late with a beat: no promise of the box.
LATE_NS = 500_000_000
#: Nothing was lost, but a busy machine skips a scan now and then, and a link takes a moment to
#: connect: ticks a run of the daemon.
TICKS_A_START = {"link_down": 100, "overrun": 300}
RSS_GROWTH_MAX = 4 << 20

MAP = """\
[tags]
temperature = { address = "holding:2", type = "int16" }
position    = { address = "holding:3", type = "float32" }
load        = { address = "holding:5", type = "uint16" }
"""
_LINKS = """
[links.robot]
type    = "tcp"
address = "{robot}"
timeout = "2 s"

[links.cnc]
type    = "tcp"
address = "{cnc}"
timeout = "2 s"

[links.bus]
type    = "serial"
port    = "{meter}"
baud    = 115200
timeout = "2 s"
"""
DEVICE = """
[devices.{name}]
link   = "{link}"
driver = "modbus"
unit   = 1
every  = "{every_ms} ms"

[devices.{name}.tags]
serial_number = {{ address = "holding:0", type = "uint32" }}
temperature   = {{ address = "holding:2", type = "int16", scale = 0.1 }}
position      = {{ address = "holding:3", type = "float32" }}
load          = {{ address = "holding:5", type = "uint16" }}
"""


class Resources(NamedTuple):
    """What a process holds."""

    rss_bytes: int
    descriptors: int
    threads: int


def resources(pid: int) -> Resources:
    """From proc(5)."""
    here = Path("/proc") / str(pid)
    said = dict(
        line.split(":", 1) for line in (here / "status").read_text().splitlines() if ":" in line
    )
    descriptors = len(list((here / "fd").iterdir()))
    return Resources(int(said["VmRSS"].split()[0]) * 1024, descriptors, int(said["Threads"]))


def assert_flat(seen: Sequence[Resources]) -> None:
    """No growth of the last third over the first."""
    third = max(1, len(seen) // 3)
    for name, slack in (("rss_bytes", RSS_GROWTH_MAX), ("descriptors", 2), ("threads", 2)):
        early = max(getattr(one, name) for one in seen[:third])
        late = max(getattr(one, name) for one in seen[-third:])
        assert late <= early + slack, f"{name}: {[getattr(one, name) for one in seen]}"


def now_ns() -> int:
    """The boot clock, as in the books."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Factory(Rig):
    """The three machines and their box."""

    def __init__(self, folder: Path, *, platform: str = "", buffer: str = "") -> None:
        """More lines for the tables [platform] and [buffer]."""
        super().__init__(folder, GATEWAY)
        self._platform, self._buffer = platform, buffer
        self.starts = 0
        self.crashes = Crashes(FLUSH_EVERY_NS + LATE_NS)
        self._last_status: dict[str, Any] | None = None
        self._tick = threading.Event()

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _set_up(self) -> None:
        made = self.folder / "map.toml"
        made.write_text(MAP)
        counter = ("--counter", "holding:0")
        text = self.head(platform=self._platform, buffer=self._buffer) + _LINKS.format(
            robot=self.simulate("robot", str(made), *counter),
            cnc=self.simulate("cnc", str(made), *counter),
            meter=self.simulate("meter", str(made), *counter, "--baud", "115200", pty=True),
        )
        for name, period_ns in PERIOD_NS.items():
            link = "bus" if name == "meter" else name
            text += DEVICE.format(name=name, link=link, every_ms=period_ns // 1_000_000)
        self.config.write_text(text, encoding="utf-8")

    # ---- the story -------------------------------------------------------------------------

    def start(self, within: Sequence[str] = ()) -> None:
        """Start the daemon; it answers when this returns."""
        self.crashes.starting(now_ns())
        self.start_daemon(within)
        wait_for("the daemon's answer", lambda: self.status() is not None)
        self.starts += 1
        self.crashes.answered(now_ns())

    def crash(self) -> None:
        """SIGKILL."""
        self.crashes.killing(now_ns())
        assert self.stop_daemon(signal.SIGKILL) == -signal.SIGKILL

    def told(self) -> dict[str, Any]:
        """The status, whose books balance: where is every scan that was sealed?"""
        status = self.status()
        assert status is not None, f"the daemon does not answer, see {self.folder}/daemon.log"
        counters = status["counters"]
        places = ("acked_scans", "buffered_scans", "memory_scans", "lost_scans")
        assert counters["scans"] == sum(counters[place] for place in places), counters
        self._last_status = status
        return status

    def run_for(self, seconds: float) -> None:
        """Let everything run; the books are looked at each second."""
        end_ns = now_ns() + int(seconds * 1e9)
        while (left_ns := end_ns - now_ns()) > 0:
            self._tick.wait(min(1.0, left_ns / 1e9))
            self.told()

    def wait_acked(self, scans: int = 1) -> None:
        """Until so many scans of this run are acknowledged."""
        wait_for(f"{scans} scans", lambda: self.told()["counters"]["acked_scans"] >= scans)

    def wait_drained(self) -> None:
        """Until the uplink is up and carried every block that waited."""

        def is_drained() -> bool:
            uplink = self.told()["uplink"]
            return bool(uplink["state"] == "connected" and uplink["backlog_blocks"] <= 1)

        wait_for("an empty backlog", is_drained)

    # ---- the books -------------------------------------------------------------------------

    def settle(self, gap_ticks_max: dict[str, int] | None = None) -> tuple[Report, Stored]:
        """Stop the machines and compare the three books; rules I1 to I5 and I9, the crash gaps.

        What was found stands in report.txt too.
        `gap_ticks_max`: ticks by reason that the fault explains, over those of each start.
        """
        self.stop_simulators()
        self.relay.cut()
        stored = read_stored(self.store)
        allowed = {reason: ticks * self.starts for reason, ticks in TICKS_A_START.items()}
        if self.crashes:
            allowed["crash"] = 0  # their ticks can't be known: their time is checked instead
        report = check(
            read_sampled(self.sampled), stored,
            gap_ticks_max={**allowed, **(gap_ticks_max or {})}, box=self._last_status,
        )  # fmt: skip
        said = [report.text(), *([self.crashes.text(stored)] if self.crashes else [])]
        (self.folder / "report.txt").write_text("\n".join(said) + "\n")
        assert not report.violations, report.text()
        assert report.missing == report.twice == 0
        assert not (wide := self.wide_gaps(stored)), wide
        sql = connect_readonly(self.store)
        try:
            books = audit.epochs(sql)
        finally:
            sql.close()
        for book in books:
            assert book["missing"] == book["missing_blocks"] == book["twice"] == 0, book
        self.assert_calm()
        return report, stored

    def wide_gaps(self, stored: Stored) -> list[str]:
        """Crash gaps that are longer than the crashes allow."""
        return self.crashes.wide_gaps(stored, PERIOD_NS)

    def assert_calm(self) -> None:
        """No program fell over its own feet."""
        for log in self.folder.glob("*.log"):
            assert "Traceback" not in log.read_text(errors="replace"), f"see {log}"
