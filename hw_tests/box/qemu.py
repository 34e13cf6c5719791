"""The emulated box with its switches: power, USB adapters, network cables.

Two USB adapters (FTDI, serial numbers JH0001 and JH0002) have their wires crossed. The network
reaches this machine's loopback alone, by two cards: one carries SSH, the other the uplink.

Each time the power is switched on the disk is a new overlay, with small clusters, on what was there
before. A cluster that the guest writes is entered in the overlay's map when the guest flushes, and
not before: so killing QEMU takes from the disk what was not flushed, as pulling the plug does.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any

from hw_tests.box.machine import BoxError, Image, boot

#: Where the guest finds the platform, and the network of that card.
PLATFORM, _UPLINK_NET = ("10.0.3.100", 8443), "10.0.3.0/24"
#: Serial numbers of the adapters, by the end of the crossed wires that each has.
SERIALS = {"a": "JH0001", "b": "JH0002"}
#: What the guest writes there is in a file of this machine at once, whatever becomes of the guest.
BOOK_PORT = "jiahe.book"
_CLUSTER_BYTES = 4096
#: Without a ROM to boot from, which is in a package of its own: nobody boots from the network.
_CARD = "virtio-net-pci,romfile="
_TICK = Event()  # never set: to wait by
_MONITOR_S_MAX, _END_S_MAX = 20.0, 180.0


class Qemu:
    """One box; off at first. `platform`: the port of this machine's loopback to deliver to."""

    def __init__(self, image: Image, folder: Path, platform: int) -> None:
        self._image, self._folder, self._platform = image, folder, platform
        self._disk = image.disk
        self._sockets = Path(tempfile.mkdtemp(prefix="jiahe-box-"))  # their paths must be short
        self._process: subprocess.Popen[bytes] | None = None
        self.console = folder / "console.log"
        self.boots = 0
        self.ssh_port = 0

    def power_on(self, *, clock: str = "utc", absent: Sequence[str] = ()) -> None:
        """`clock`: what the clock on the board says, such as 1970-01-01T00:00:00. `absent`: of
        "a", "b" and "uplink", what is not plugged in.
        """
        assert self._process is None, "it is on"
        self.boots += 1
        overlay = self._folder / f"disk-{self.boots}.qcow2"
        made = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"cluster_size={_CLUSTER_BYTES}"]
        kind = "raw" if self._disk == self._image.disk else "qcow2"
        subprocess.run([*made, "-b", self._disk, "-F", kind, overlay], check=True)
        self._disk = overlay
        self.ssh_port = _free_port()
        for name in ("wire", "monitor"):
            (self._sockets / name).unlink(missing_ok=True)
        command = [
            *boot(self._image, f"jiahe.boot={self.boots}", self.console),
            "-rtc", f"base={clock}", *self._devices(absent),
        ]  # fmt: skip
        log = (self._folder / "qemu.log").open("ab")
        with log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        self._answering()
        if "uplink" in absent:
            self.cable("uplink", plugged=False)

    def _answering(self) -> None:
        """Until its monitor is there."""
        until = time.monotonic() + _MONITOR_S_MAX
        while not (self._sockets / "monitor").exists():
            if not self.is_on or time.monotonic() > until:
                log = self._folder / "qemu.log"
                raise BoxError(f"QEMU did not start: {log.read_text(errors='replace')[-500:]}")
            _TICK.wait(0.1)

    def _devices(self, absent: Sequence[str]) -> list[str]:
        host, port = PLATFORM
        wire, monitor = self._sockets / "wire", self._sockets / "monitor"
        forward = f"cmd:socat -lf /dev/null STDIO TCP:127.0.0.1:{self._platform}"
        ssh = f"hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22"
        words = [
            "-drive", f"file={self._disk},format=qcow2,if=virtio,cache=writeback",
            "-qmp", f"unix:{monitor},server=on,wait=off",
            "-netdev", f"user,id=ssh,restrict=on,ipv6=off,net=10.0.2.0/24,{ssh}",
            "-device", f"{_CARD},netdev=ssh,id=card-ssh,mac=52:54:00:00:00:01",
            "-netdev",
            f"user,id=uplink,restrict=on,ipv6=off,net={_UPLINK_NET},guestfwd=tcp:{host}:{port}-{forward}",
            "-device", f"{_CARD},netdev=uplink,id=card-uplink,mac=52:54:00:00:00:02",
            "-device", "virtio-serial-pci",
            "-chardev", f"file,id=book,path={self.book(self.boots)},append=on",
            "-device", f"virtserialport,chardev=book,name={BOOK_PORT}",
            "-device", "qemu-xhci,id=xhci",
            "-chardev", f"socket,id=a,path={wire},server=on,wait=off",
            "-chardev", f"socket,id=b,path={wire}",
        ]  # fmt: skip
        for port_number, (end, serial) in enumerate(SERIALS.items(), 1):
            if end in absent:
                continue
            words += ["-device", f"usb-serial,bus=xhci.0,port={port_number},chardev={end},"
                      f"serial={serial},id=adapter-{end}"]  # fmt: skip
        return words

    def book(self, boot_number: int) -> Path:
        """What the guest of that boot wrote into BOOK_PORT."""
        folder = self._folder / "sampled"
        folder.mkdir(exist_ok=True)
        return folder / f"boot-{boot_number:03}"

    @property
    def is_on(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def power_cut(self) -> None:
        """Everything that the guest has not flushed to its disk is gone."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._ended()

    def wait_off(self) -> None:
        """Until the guest switched itself off, or wants to start again. Raises BoxError."""
        try:
            self._ended()
        except subprocess.TimeoutExpired:
            raise BoxError(f"the box does not switch itself off, see {self.console}") from None

    def _ended(self) -> None:
        assert self._process is not None
        self._process.wait(_END_S_MAX)
        self._process = None

    def close(self) -> None:
        """Off for good."""
        if self._process is not None:
            self.power_cut()
        shutil.rmtree(self._sockets)

    # ---- adapters and cables -------------------------------------------------------------------

    def pull(self, adapter: str) -> None:
        """Out of its socket, while running. "a" or "b"."""
        self.ask("device_del", id=f"adapter-{adapter}")
        until = time.monotonic() + _MONITOR_S_MAX
        while self._has(f"adapter-{adapter}"):
            if time.monotonic() > until:
                raise BoxError(f"adapter {adapter} is not let go")

    def _has(self, device: str) -> bool:
        found = self.ask("qom-list", path="/machine/peripheral")
        return any(each["name"] == device for each in found)

    def plug(self, adapter: str, *, end: str = "", socket_number: int = 0) -> None:
        """Into a socket (0: any free one), with that end of the crossed wires (its own)."""
        more = {"port": str(socket_number)} if socket_number else {}
        until = time.monotonic() + _MONITOR_S_MAX
        while True:  # QEMU lets go of the wire's end a moment after the adapter
            try:
                self.ask(
                    "device_add", driver="usb-serial", bus="xhci.0", chardev=end or adapter,
                    serial=SERIALS[adapter], id=f"adapter-{adapter}", **more,
                )  # fmt: skip
                return
            except BoxError as error:
                if "is in use" not in str(error) or time.monotonic() > until:
                    raise
                _TICK.wait(0.1)

    def cable(self, card: str, *, plugged: bool) -> None:
        """Of "uplink" or "ssh"."""
        self.ask("set_link", name=f"card-{card}", up=plugged)

    def ask(self, command: str, **arguments: Any) -> Any:
        """QEMU's monitor (QMP). Raises BoxError where it refuses."""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as line:
            line.settimeout(_MONITOR_S_MAX)
            line.connect(str(self._sockets / "monitor"))
            with line.makefile("rw", encoding="utf-8") as talk:
                json.loads(talk.readline())  # its greeting
                for said in ({"execute": "qmp_capabilities"},
                             {"execute": command, "arguments": arguments}):  # fmt: skip
                    talk.write(json.dumps(said) + "\n")
                    talk.flush()
                    answer = json.loads(talk.readline())
                    while "event" in answer:
                        answer = json.loads(talk.readline())
        if "error" in answer:
            raise BoxError(f"{command} {arguments}: {answer['error']['desc']}")
        return answer["return"]


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
