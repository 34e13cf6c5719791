"""The box, what it reads, the platform that it delivers to, and the books of all three.

    jiahe-sim ── /dev/jiahe/com2 ══ /dev/jiahe/com1 ── jiahe ── Relay ── jiahe-ingest ── store.db
       └─ sampled/ (its book)         one box                     this machine, mutual TLS

The simulated device runs on the box too, on the other end of the crossed wires. Its book counts on
the same clock as the box's scans, and a file of each boot of the emulated box holds it on this
machine: nothing of it is lost with the power.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from hw_tests.box.guest import Guest
from hw_tests.box.machine import BoxError, Image
from hw_tests.box.qemu import BOOK_PORT, PLATFORM, SERIALS, Qemu
from ingest import audit
from ingest.stores.opening import connect_readonly
from tests.kit.books import BOOT_NS, Stored, read_sampled, read_stored
from tests.kit.crashes import Crashes
from tests.kit.factory import DEVICE, FLUSH_EVERY_NS, MAP
from tests.kit.ledger import Report, check
from tests.kit.rig import Rig

GATEWAY = "arm-box"
PERIOD_NS = {"meter": 200_000_000}
BAUD = 19_200
#: Emulated processors that share theirs with others: how late a beat of the box may come.
LATE_NS = 1_500_000_000
#: Between a request that the box has sent and the device's hearing of it, at most.
ALLOW_NS = 250_000_000
#: Gaps that no fault has to explain, in ticks a start: emulated, a link takes its time to open.
TICKS_A_START = {"link_down": 300, "overrun": 600, "timeout": 60}
INSTALL_S_MAX, ANSWER_S_MAX, DRAIN_S_MAX = 240.0, 120.0, 240.0

_PORTS = "".join(
    f'SUBSYSTEM=="tty", ENV{{ID_SERIAL_SHORT}}=="{serial}", SYMLINK+="jiahe/com{number}"\n'
    for number, serial in enumerate(SERIALS.values(), 1)
)
_SIMULATOR = f"""\
[Unit]
Description=The device that the box reads
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/sh -c 'boot=$(sed -n "s/.*jiahe.boot=\\\\([0-9]*\\\\).*/\\\\1/p" /proc/cmdline); \\
  exec jiahe-sim /etc/jiahe-simulator/map.toml --port /dev/jiahe/com2 --baud {BAUD} --name meter \\
  --counter holding:0 --counter-from $((boot * 10000000 + 1)) --answer-ms 0 \\
  --book /dev/virtio-ports/{BOOK_PORT} <>/run/simulator'
ExecStartPre=/bin/sh -c 'rm -f /run/simulator; mkfifo /run/simulator'
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
address = "{host}:{port}"
ca   = "pki/ca.pem"
cert = "pki/box.pem"
key  = "pki/box.key"

[buffer]
path = "/var/lib/jiahe/buffer"

[links.com1]
type    = "serial"
port    = "/dev/jiahe/com1"
baud    = {baud}
timeout = "1 s"
"""


class Stage(Rig):
    """The emulated box; off at first."""

    reached = ("127.0.0.1", PLATFORM[0])

    def __init__(self, folder: Path, image: Image) -> None:
        super().__init__(folder, GATEWAY)
        self._image = image
        self.boots: list[str] = []  # their ids, in order
        self.starts = 0
        self.report = Report()  # of the books when they were settled last
        self._gap_ticks: Counter[str] = Counter()
        self.crashes = Crashes(FLUSH_EVERY_NS + LATE_NS)

    def __enter__(self) -> Self:
        super().__enter__()
        self.box = Qemu(self._image, self.folder, self.relay.port)
        return self

    def __exit__(self, *exception: object) -> None:
        self.box.close()
        super().__exit__(*exception)

    # ---- power -------------------------------------------------------------------------------

    def power_on(self, *, clock: str = "utc") -> float:
        """The seconds until it is booted."""
        self.box.power_on(clock=clock)
        to = ["-p", str(self.box.ssh_port), "-i", str(self._image.key), "root@127.0.0.1"]
        self.guest = Guest(to)
        took_s = self.guest.wait_up()
        self.boots.append(self.guest.do("cat /proc/sys/kernel/random/boot_id").strip())
        return took_s

    def power_cut(self) -> None:
        """The last line of the simulator's book says when."""
        self.box.power_cut()
        last = max(one.answered_ns for one in read_sampled(self.sampled, by_boot=True))
        self.crashes.killing(last)

    def power_off(self) -> None:
        """As `poweroff` does, every service stopped before."""
        self.guest.run("systemctl poweroff")
        self.box.wait_off()

    def now_ns(self) -> int:
        """The box's clock, moved as in the books."""
        uptime = self.guest.do("cat /proc/uptime").split()[0]
        return int(float(uptime) * 1e9) + (len(self.boots) - 1) * BOOT_NS

    # ---- the service -------------------------------------------------------------------------

    def install(self, package: Path) -> None:
        """By dpkg, as the documentation has it; then ports, configuration, and the device."""
        guest = self.guest
        guest.write("/tmp/jiahe.deb", package.read_bytes())
        guest.do("DEBIAN_FRONTEND=noninteractive dpkg --install /tmp/jiahe.deb",
                 within_s=INSTALL_S_MAX)  # fmt: skip
        guest.write("/etc/udev/rules.d/61-jiahe-ports.rules", _PORTS)
        guest.do("udevadm control --reload && udevadm trigger --subsystem-match=tty --settle")
        guest.do("mkdir -p /etc/jiahe-simulator")
        guest.write("/etc/jiahe-simulator/map.toml", MAP)
        guest.write("/etc/systemd/system/simulator.service", _SIMULATOR)
        for name in ("ca.pem", "box.pem", "box.key"):
            guest.write(f"/etc/jiahe/pki/{name}", (self.folder / "pki" / name).read_bytes(), "640")
        guest.do("chgrp jiahe /etc/jiahe/pki/*")
        self.configure()
        guest.do("systemctl daemon-reload && systemctl enable --now simulator", within_s=120)

    def configure(self, *, more: str = "") -> None:
        host, port = PLATFORM
        text = _CONFIG.format(gateway=GATEWAY, host=host, port=port, baud=BAUD)
        text += DEVICE.format(name="meter", link="com1", every_ms=PERIOD_NS["meter"] // 1_000_000)
        self.guest.write("/etc/jiahe/gateway.toml", text + more, "640")
        self.guest.do("chgrp jiahe /etc/jiahe/gateway.toml && jiahe check")

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
        allowed = {reason: ticks * self.starts for reason, ticks in TICKS_A_START.items()}
        if self.crashes:
            allowed["crash"] = 0  # their ticks can't be known: their time is checked instead
        allowed = dict(self._gap_ticks + Counter(allowed))
        sampled = read_sampled(self.sampled, by_boot=True)
        report = check(sampled, stored, allow_ns=ALLOW_NS, gap_ticks_max=allowed, box=box)
        said = [report.text(), *([self.crashes.text(stored)] if self.crashes else [])]
        (self.folder / "report.txt").write_text("\n".join(said) + "\n")
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
        if self.box.is_on:
            logs = "jiahe status; journalctl --no-pager -n 300 -u jiahe -u simulator -u 'jiahe-*'"
            said = self.guest.run(f"{logs}; dmesg | tail -50")
            (self.folder / "box.log").write_text(said.stdout + said.stderr)
