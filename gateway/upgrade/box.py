"""The box as an upgrade acts on it: a folder of root's, dpkg, systemd, the daemon's socket."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from gateway.control.client import ControlClient, ControlError
from gateway.upgrade.steps import Before, Health, Upgrade

FOLDER = Path("/var/lib/jiahe-upgrade")
#: How far an upgrade is, and how the last one ended.
STATE, LAST = "state.json", "last.json"
UNIT = "jiahe-upgrade.service"
_UNITS = Path("/etc/systemd/system")
_UNIT_TEXT = """\
# Made by `jiahe upgrade`, and removed at its end. After a power cut it goes on where it was.
[Unit]
Description=Upgrade of the Jiahe edge gateway
After=local-fs.target
ConditionPathExists={folder}/{state}

[Service]
Type=exec
ExecStart={python} -I {folder}/program
Restart=on-failure
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
_START = """\
import sys

sys.path.insert(0, {program!r})
from gateway.upgrade.runner import main

sys.exit(main({control!r}, {lang!r}))
"""
#: The whole of a dpkg run, with the new version's start.
DPKG_S_MAX = 600
#: How long another dpkg is waited for.
LOCKED_S_MAX, LOCKED_AGAIN_S = 1800.0, 10.0


class Box:
    """The world of `steps`. `control`: the socket on which the daemon answers."""

    def __init__(self, control: Path, folder: Path = FOLDER) -> None:
        self.folder = folder
        self._control = control

    def load(self) -> Upgrade:
        """Raises OSError, ValueError."""
        raw: dict[str, Any] = json.loads((self.folder / STATE).read_bytes())
        return Upgrade(**{**raw, "before": Before(**raw["before"])})

    def save(self, upgrade: Upgrade) -> None:
        made = self.folder / f"{STATE}.new"
        with made.open("w", encoding="utf-8") as file:
            json.dump(asdict(upgrade), file)
            file.flush()
            os.fsync(file.fileno())
        made.rename(self.folder / STATE)
        durable(self.folder)

    def install(self, which: Literal["new", "old"]) -> str:
        # What a power cut left half done; where that is our own package it may well fail.
        self._dpkg("--configure", "-a")
        why = self._dpkg("--install", str(self.folder / f"{which}.deb"))
        if not why and self.load().before.running:
            subprocess.run(["systemctl", "start", "jiahe.service"], capture_output=True)
        return why

    def _dpkg(self, *arguments: str) -> str:
        """Asks nobody anything; waits for another dpkg. What went wrong, or ""."""
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        command = ["dpkg", "--force-confold", "--force-confdef", "--force-downgrade", *arguments]
        until_s = self.now_s() + LOCKED_S_MAX
        while True:
            try:
                done = subprocess.run(command, env=quiet, stdin=subprocess.DEVNULL, text=True,
                                      capture_output=True, timeout=DPKG_S_MAX)  # fmt: skip
            except subprocess.TimeoutExpired as error:
                return str(error)
            if done.returncode == 0:
                return ""
            if "lock" not in done.stderr or self.now_s() > until_s:
                return "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
            self.wait(LOCKED_AGAIN_S)

    def probe(self) -> Health | None:
        try:
            with ControlClient(self._control) as client:
                return health_in(client.call("status"))
        except (ControlError, OSError):
            return None

    def now_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def before(self) -> Before:
        """How the version that is installed does."""
        active = ["systemctl", "is-active", "--quiet", "jiahe.service"]
        running = subprocess.run(active).returncode == 0
        health = self.probe() if running else None
        if health is None:
            return Before(running, False, False, False)
        return Before(running, health.scans > 0, health.acked > 0, health.buffer_ok)

    # ---- its unit ----------------------------------------------------------------------------

    def begin(self, upgrade: Upgrade, package: Path, lang: str) -> None:
        """All that the unit needs, then the unit itself, which starts at once and at each boot."""
        shutil.copyfile(package, self.folder / "new.deb")
        self.copy_program(lang)
        python = f"/usr/bin/{Path('/proc/self/exe').readlink().name}"
        text = _UNIT_TEXT.format(folder=self.folder, python=python, state=STATE)
        (_UNITS / UNIT).write_text(text, encoding="utf-8")
        for command in (["daemon-reload"], ["enable", "--quiet", UNIT]):
            subprocess.run(["systemctl", *command], check=True, capture_output=True, text=True)
        os.sync()
        self.save(upgrade)  # from here on it is carried on, whatever comes
        subprocess.run(["systemctl", "start", "--no-block", UNIT], check=True)

    def copy_program(self, lang: str) -> None:
        """What the unit runs; the package is being replaced meanwhile."""
        program = self.folder / "program"
        shutil.rmtree(program, ignore_errors=True)
        ours = Path(__file__).resolve().parents[2]
        for floor in ("gateway", "drivers"):
            skip = shutil.ignore_patterns("__pycache__", "*.so", "*.pyx", "*.pxd", "*.c")
            shutil.copytree(ours / floor, program / floor, ignore=skip)
        start = _START.format(program=str(program), control=str(self._control), lang=lang)
        (program / "__main__.py").write_text(start, encoding="utf-8")

    def end(self, upgrade: Upgrade) -> None:
        """Keep the outcome and remove the upgrade's unit; does nothing where no state is kept."""
        (self.folder / STATE).replace(self.folder / LAST)
        durable(self.folder)
        for name in ("new.deb", "bundle", *(() if upgrade.step == "stuck" else ("old.deb",))):
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        subprocess.run(["systemctl", "disable", "--quiet", UNIT], capture_output=True)
        (_UNITS / UNIT).unlink(missing_ok=True)
        subprocess.run(["systemctl", "daemon-reload"], capture_output=True)

    def last(self) -> Upgrade | None:
        """How the last one ended, or how far this one is."""
        for name in (STATE, LAST):
            try:
                raw: dict[str, Any] = json.loads((self.folder / name).read_bytes())
            except FileNotFoundError:
                continue
            return Upgrade(**{**raw, "before": Before(**raw["before"])})
        return None


def health_in(status: Any) -> Health | None:
    """Health, read from `jiahe status --json` of any version; None if it is none."""
    try:
        return Health(
            pid=int(status["pid"]),
            scans=int(status["counters"]["scans"]),
            acked=int(status["counters"]["acked_scans"]),
            buffer_ok=status["buffer"]["state"] == "ok",
        )
    except (KeyError, TypeError, ValueError):
        return None


def durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
