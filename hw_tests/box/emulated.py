"""The emulated box on the stage: it can be switched off, and its adapters pulled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from hw_tests.box.guest import Guest
from hw_tests.box.machine import Image
from hw_tests.box.qemu import BOOK_PORT, PLATFORM, SERIALS, Qemu
from hw_tests.box.stage import Stage

_RULES = "".join(
    f'SUBSYSTEM=="tty", ENV{{ID_SERIAL_SHORT}}=="{serial}", SYMLINK+="jiahe/com{number}"\n'
    for number, serial in enumerate(SERIALS.values(), 1)
)


class Emulated(Stage):
    """Off at first. Each boot's book is a file of this machine: nothing of it goes with the power.

    Emulated processors that share theirs with others are slow, and late.
    """

    reached = ("127.0.0.1", PLATFORM[0])
    ports = ("/dev/jiahe/com1", "/dev/jiahe/com2")
    book = f"/dev/virtio-ports/{BOOK_PORT}"
    platform = "{}:{}".format(*PLATFORM)
    slowness = 4.0
    late_ns = 1_500_000_000
    allow_ns = 250_000_000

    def __init__(self, folder: Path, image: Image) -> None:
        super().__init__(folder)
        self._image = image

    def __enter__(self) -> Self:
        super().__enter__()
        self.box = Qemu(self._image, self.folder, self.relay.port)
        return self

    def __exit__(self, *exception: object) -> None:
        self.box.close()
        super().__exit__(*exception)

    def bring_book(self) -> None:
        """It is there."""

    def power_on(self, *, clock: str = "utc", absent: Sequence[str] = ()) -> float:
        """The seconds until it is booted. `absent`: adapters that are not plugged in, and "uplink"
        where that cable is not.
        """
        self.box.power_on(clock=clock, absent=absent)
        to = ["-p", str(self.box.ssh_port), "-i", str(self._image.key), "root@127.0.0.1"]
        self.guest = Guest(to)
        took_s = self.guest.wait_up()
        self.booted()
        return took_s

    def power_cut(self) -> None:
        """The last line of the simulator's book says when."""
        self.box.power_cut()
        self.guest.hang_up()
        self.crashes.killing(self._sampled()[-1].answered_ns)

    def power_off(self) -> None:
        """As `poweroff` does, every service stopped before."""
        self.guest.run("systemctl poweroff")
        self.box.wait_off()
        self.guest.hang_up()

    def name_ports(self) -> None:
        """By udev, as the documentation has it."""
        self.guest.write("/etc/udev/rules.d/61-jiahe-ports.rules", _RULES)
        self.guest.do("udevadm control --reload")
        self.guest.do("udevadm trigger --subsystem-match=tty --settle")
