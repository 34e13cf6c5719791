"""The box, what it reads, the platform that it delivers to, and the books of all three.

    jiahe-sim ── port 2 ══ port 1 ── jiahe ── Relay ── jiahe-ingest ── store.db
       └─ sampled/ (its book)   one box       this machine, mutual TLS

The simulated device runs on the box too, on the other end of the crossed wires: so its book counts
on the same clock as the box's scans. `emulated` and `real` say which box, and how to reach it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw_tests.box.guest import Guest
from hw_tests.box.machine import BoxError
from ingest import audit
from ingest.stores.opening import connect_readonly
from tests.kit.books import BOOT_NS, Sampled, Stored, read_sampled, read_stored
from tests.kit.crashes import Crashes
from tests.kit.factory import DEVICE, FLUSH_EVERY_NS, MAP
from tests.kit.ledger import Report, check
from tests.kit.rig import BIN, Rig

GATEWAY = "arm-box"
DEVICE_NAME = "meter-1"
PERIOD_NS = {DEVICE_NAME: 200_000_000}
#: Gaps that no fault has to explain, in ticks a start: link and device take their time to be there.
TICKS_A_START = {"link_down": 50, "overrun": 100, "device_silent": 50}
INSTALL_S_MAX, ANSWER_S_MAX, DRAIN_S_MAX = 240.0, 120.0, 240.0
#: The meter of DL/T 645 on the same line, by its plate.
METER = f"{5:012}"

_SIMULATOR = """\
[Unit]
Description=The device that the box reads
StartLimitIntervalSec=0

[Service]
EnvironmentFile=/etc/jiahe-simulator/line
ExecStartPre=/bin/sh -c 'rm -f /run/simulator; mkfifo /run/simulator'
ExecStart=/bin/sh -c 'boot=$(grep -o "jiahe.boot=[0-9]*" /proc/cmdline | cut -d= -f2); \
  up=$(cut -d. -f1 /proc/uptime); exec jiahe-sim /etc/jiahe-simulator/map.toml --port $PORT \
  --baud $BAUD --framing $FRAMING --name meter-{unit} --counter holding:0 $MORE --answer-ms 0 \
  --counter-from $((boot * 10000000 + up * 100 + 1)) --book $BOOK <>/run/simulator'
Restart=always
RestartSec=1
Nice=-10

[Install]
WantedBy=multi-user.target
"""
_CONFIG = """\
version = 1

[gateway]
id       = "{gateway}"
site     = "hw_tests"
language = "en"
control  = "/run/jiahe/control.sock"

[platform]
address = "{platform}"
ca   = "pki/ca.pem"
cert = "pki/box.pem"
key  = "pki/box.key"

[buffer]
path = "/var/lib/jiahe/buffer"

[links.com1]
type    = "serial"
port    = "{port}"
baud    = {baud}
timeout = "1 s"
"""
_DLT645 = """
[devices.electricity]
link    = "com1"
driver  = "dlt645"
meter   = "{meter}"
profile = "dlt645-3p"
every   = "5 s"
"""


_PRESSES = """
[devices."meter-{{unit}}"]
link   = "com1"
driver = "modbus"
unit   = "2-{last}"
every  = "5 s"

[devices."meter-{{unit}}".tags]
serial_number = {{ address = "holding:0", type = "uint32" }}
"""


_BOX = """
[box]
every = "10 s"
"""


@dataclass(frozen=True, slots=True)
class Line:
    """How the two ports speak."""

    baud: int = 19_200
    framing: str = "rtu"
    meters: bool = False  # one of DL/T 645 is on the line, too
    presses: int = 0  # so many more devices, with 40 tags each, and the box itself


class Stage(Rig):
    """A box with its platform; `guest` is its shell."""

    guest: Guest
    #: The ports of the box, as it names them, and where the simulator's book is written there.
    ports: tuple[str, str]
    book: str
    #: host:port of the platform as the box reaches it.
    platform: str
    #: How much longer than the promises say this box may take.
    slowness: float
    #: How late a beat of the box may come; and how long after the box has sent a request the device
    #: may hear it.
    late_ns: int
    allow_ns: int

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, GATEWAY)
        self.boots: list[str] = []  # their ids, in order
        self.starts = 0
        self.report = Report()  # of the books when they were settled last
        self.crashes = Crashes(FLUSH_EVERY_NS + self.late_ns)
        self._gap_ticks: Counter[str] = Counter()

    def bring_book(self) -> None:
        """What the simulator has written so far lies in `sampled` when this returns."""
        raise NotImplementedError

    def name_ports(self) -> None:
        """Once the package is installed; where the ports have their names already, nothing."""

    def booted(self) -> None:
        """The box was started anew, or is met first."""
        self.boots.append(self.guest.do("cat /proc/sys/kernel/random/boot_id").strip())

    def slow(self, seconds: float) -> float:
        return seconds * self.slowness

    def now_ns(self) -> int:
        """The box's clock, moved as in the books."""
        uptime = self.guest.do("cat /proc/uptime").split()[0]
        return int(float(uptime) * 1e9) + (len(self.boots) - 1) * BOOT_NS

    # ---- the service -------------------------------------------------------------------------

    def install(self, package: Path) -> None:
        """By dpkg, as the documentation has it; then keys, configuration, and the device."""
        guest = self.guest
        guest.write("/var/tmp/jiahe.deb", package.read_bytes())
        quietly = "DEBIAN_FRONTEND=noninteractive dpkg --install"
        guest.do(f"{quietly} /var/tmp/jiahe.deb", within_s=INSTALL_S_MAX)
        self.name_ports()
        guest.do("mkdir -p /etc/jiahe-simulator")
        guest.write("/etc/jiahe-simulator/map.toml", MAP)
        guest.write("/etc/systemd/system/simulator.service", _SIMULATOR)
        for name in ("ca.pem", "box.pem", "box.key"):
            guest.write(f"/etc/jiahe/pki/{name}", (self.folder / "pki" / name).read_bytes(), "640")
        guest.do("chgrp jiahe /etc/jiahe/pki/*; systemctl daemon-reload")
        guest.do("systemctl enable simulator")
        self.configure(Line())

    def configure(self, line: Line) -> None:
        """Both ends of the wires. The service must be stopped."""
        every_ms = PERIOD_NS[DEVICE_NAME] // 1_000_000
        text = _CONFIG.format(
            gateway=GATEWAY, platform=self.platform, port=self.ports[0], baud=line.baud
        )
        made = DEVICE.format(name=DEVICE_NAME, link="com1", every_ms=every_ms)
        text += made.replace("unit   = 1\n", f'unit   = 1\nframing = "{line.framing}"\n')
        text += _DLT645.format(meter=METER) if line.meters else ""
        if line.presses:
            tags = "".join(f'r{n:02} = {{ address = "holding:{n}", type = "int16" }}\n'
                           for n in range(2, 41))  # fmt: skip
            text += _PRESSES.format(last=line.presses + 1) + tags + _BOX
        self.guest.write("/etc/jiahe/gateway.toml", text, "640")
        self.guest.do("chgrp jiahe /etc/jiahe/gateway.toml && jiahe check")
        more = f"--units 1-{line.presses + 1}" + (f" --meters {METER}" if line.meters else "")
        words = {"PORT": self.ports[1], "BAUD": line.baud, "FRAMING": line.framing,
                 "MORE": more, "BOOK": self.book}  # fmt: skip
        text = "".join(f"{name}={value}\n" for name, value in words.items())
        self.guest.write("/etc/jiahe-simulator/line", text)
        self.guest.do("sync; systemctl restart simulator")  # as hours would do until a power cut

    def start(self) -> None:
        self.crashes.starting(self.now_ns())
        self.guest.do("systemctl start simulator jiahe", within_s=ANSWER_S_MAX)
        self.wait_answer()

    def wait_answer(self) -> None:
        """A run of the daemon answers: the first, or the next one after a crash."""
        self.guest.wait_for("the daemon's answer", lambda: self.status() is not None, ANSWER_S_MAX)
        self.starts += 1
        self.crashes.answered(self.now_ns())

    def status(self) -> dict[str, Any] | None:
        """What `jiahe status --json` says; None while no daemon answers."""
        said: dict[str, Any] | None = self.guest.asked("jiahe status --json")
        return said

    def told(self) -> dict[str, Any]:
        said = self.status()
        if said is None:
            raise BoxError("the daemon does not answer")
        return said

    def wait_good(self, within_s: float = ANSWER_S_MAX) -> float:
        """The seconds until every device is read well and a scan of now is acknowledged."""

        def is_good() -> bool:
            said = self.told()
            return (
                all(each["state"] == "good" for each in said["devices"])
                and said["uplink"]["state"] == "connected"
                and said["counters"]["acked_scans"] > 0
            )

        return self.guest.wait_for("good values at the platform", is_good, within_s)

    def recovery_s(self, since_ns: int) -> float:
        """Until the device is asked again, on the box's clock."""

        def asked_ns() -> int:
            later = [one.asked_ns for one in self._sampled() if one.asked_ns > since_ns]
            return min(later, default=0)

        self.guest.wait_for("the device being asked", lambda: asked_ns() > 0, ANSWER_S_MAX)
        return (asked_ns() - since_ns) / 1e9

    def first_asked_s(self, began_s: float) -> float:
        """From that moment of this boot until the device was asked first."""
        since_ns = int(began_s * 1e9) + (len(self.boots) - 1) * BOOT_NS
        return (
            min(one.asked_ns - since_ns for one in self._sampled() if one.asked_ns > since_ns) / 1e9
        )

    def written_an_hour(self, seconds: float) -> float:
        """Bytes to the box's disk, by what is written in so many seconds."""

        def sectors() -> int:
            return int(self.guest.do("sync; cat /sys/block/vda/stat").split()[6])

        before, start_ns = sectors(), self.now_ns()
        self.run_for(seconds)
        return (sectors() - before) * 512 * 3600e9 / (self.now_ns() - start_ns)

    def platform_off_s(self) -> float:
        """How far the platform's time of the newest value is from this machine's: what it took to
        get there, and what the box's times are wrong by.
        """
        command = ["latest", "--store", f"sqlite:{self.store}", "--json"]
        done = subprocess.run(
            [str(BIN / "jiahe-ingest"), *command], check=True, capture_output=True
        )
        newest: int = max(each["time_ns"] for each in json.loads(done.stdout)["latest"])
        return abs(time.time_ns() - newest) / 1e9

    def run_for(self, seconds: float) -> None:
        """Let the box run so long, as the books tell."""
        until_ns = self._sampled()[-1].asked_ns + int(seconds * 1e9)
        self.guest.wait_for(
            "the box's running on",
            lambda: self._sampled()[-1].asked_ns >= until_ns,
            seconds + ANSWER_S_MAX,
        )

    @staticmethod
    def ticks(away_ns: float) -> int:
        """That the device misses in such a time, and two more at its ends."""
        return int(away_ns // PERIOD_NS[DEVICE_NAME]) + 2

    def _sampled(self) -> list[Sampled]:
        self.bring_book()
        return read_sampled(self.sampled, by_boot=True)

    def wait_scans(self, count: int, within_s: float = ANSWER_S_MAX) -> None:
        """Until so many more scans are acknowledged."""
        first = self.told()["counters"]["acked_scans"]
        self.guest.wait_for(
            f"{count} scans at the platform",
            lambda: self.told()["counters"]["acked_scans"] >= first + count,
            within_s,
        )

    def wait_drained(self) -> None:
        """Until every block that waited is acknowledged."""

        def is_drained() -> bool:
            uplink = self.told()["uplink"]
            return bool(uplink["state"] == "connected" and uplink["backlog_blocks"] <= 1)

        self.guest.wait_for("an empty backlog", is_drained, DRAIN_S_MAX)

    # ---- the books ---------------------------------------------------------------------------

    def settle(self, gap_ticks_max: Mapping[str, int]) -> Stored:
        """Stop the service, and compare the three books, from the box's first start on.

        `gap_ticks_max`: ticks by reason that the last fault explains, over those of each start.
        """
        self._gap_ticks.update(gap_ticks_max)
        self.wait_drained()
        box = self.told()
        self.guest.do("systemctl stop jiahe", within_s=ANSWER_S_MAX)
        stored = read_stored(self.store, self.boots)
        allowed = dict(self._gap_ticks)
        for reason, ticks in TICKS_A_START.items():
            allowed[reason] = allowed.get(reason, 0) + ticks * self.starts
        if self.crashes:
            allowed["crash"] = 0  # their ticks can't be known: their time is checked instead
        report = check(
            self._sampled(), stored, allow_ns=self.allow_ns, gap_ticks_max=allowed, box=box
        )
        (self.folder / "report.txt").write_text(report.text() + "\n")
        assert not report.violations, report.text()
        assert report.missing == report.twice == 0
        assert report.stored > self.report.stored
        assert not (wide := self.crashes.wide_gaps(stored, PERIOD_NS)), wide
        with connect_readonly(self.store) as sql:
            for book in audit.epochs(sql):
                assert book["missing"] == book["missing_blocks"] == book["twice"] == 0, book
        self.report = report
        return stored

    def tell(self) -> None:
        """What to look at after a failure, as far as the box still says it."""
        logs = "jiahe status; journalctl --no-pager -n 300 -u jiahe -u simulator -u 'jiahe-*'"
        with contextlib.suppress(BoxError):  # it is past asking: its console is all there is
            said = self.guest.run(f"{logs}; dmesg | tail -50")
            (self.folder / "box.log").write_text(said.stdout + said.stderr)
