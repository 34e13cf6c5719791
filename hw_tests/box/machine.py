"""The machine that QEMU is told to be, and how it boots: nothing here runs for longer than that."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAM = "qemu-system-aarch64"
#: The first boot configures 150 packages, in two minutes of a core.
FIRST_BOOT_S_MAX = 900.0

_MACHINE = (
    "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1024",
    "-accel", "tcg,thread=multi", "-nographic", "-no-reboot", "-nodefaults", "-no-user-config",
    "-device", "virtio-rng-pci",
)  # fmt: skip


class BoxError(Exception):
    """The box does not do what it must; says what, and where its console is written."""


@dataclass(frozen=True, slots=True)
class Image:
    """What a box starts from, and the key that its root takes."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "disk.img"

    @property
    def kernel(self) -> Path:
        return self.folder / "kernel"

    @property
    def initramfs(self) -> Path:
        return self.folder / "initramfs"

    @property
    def key(self) -> Path:
        return self.folder / "key"


def boot(image: Image, words: str, console: Path) -> list[str]:
    """Arguments of QEMU: the machine, its kernel, its console in a file."""
    return [
        PROGRAM, *_MACHINE, "-kernel", str(image.kernel), "-initrd", str(image.initramfs),
        "-append", f"console=ttyAMA0 panic=-1 quiet {words}",
        "-chardev", f"file,id=console,path={console},append=on", "-serial", "chardev:console",
    ]  # fmt: skip


def first_boot(image: Image, program: str, console: Path) -> str:
    """Run `program` as the only process, until it powers off; what it said. Raises BoxError."""
    disk = f"file={image.disk},format=raw,if=virtio,cache=unsafe"
    command = [*boot(image, f"loglevel=3 first={program}", console), "-drive", disk]
    try:
        subprocess.run(command, timeout=FIRST_BOOT_S_MAX, check=True, stdin=subprocess.DEVNULL)
    except subprocess.SubprocessError as error:
        raise BoxError(f"first boot: {error}, see {console}") from error
    return console.read_text(errors="replace")
