"""For what a package is made: a Debian release, and a kind of processor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Suite:
    """A Debian release."""

    name: str
    number: str
    python: str  # "3.11": extension modules are for this one alone
    glibc: str  # the newest symbols that a library may want
    libraries: tuple[str, ...]  # what extension modules load: libssl, libzstd
    units: str  # where its tools look for units
    rules: str  # and for rules of udev


SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            "bookworm", "12", "3.11", "2.36", ("libssl3", "libzstd1"),
            "lib/systemd/system", "lib/udev/rules.d",
        ),
        Suite(
            "trixie", "13", "3.13", "2.41", ("libssl3t64", "libzstd1"),
            "usr/lib/systemd/system", "usr/lib/udev/rules.d",
        ),
    )
}  # fmt: skip

#: Debian's name of a processor: its triplet, and what PyPI calls it.
_MACHINES = {
    "amd64": ("x86_64-linux-gnu", "x86_64"),
    "arm64": ("aarch64-linux-gnu", "aarch64"),
    "armhf": ("arm-linux-gnueabihf", "armv7l"),
}
ARCHITECTURES = tuple(_MACHINES)


@dataclass(frozen=True)
class Target:
    suite: Suite
    arch: str

    @property
    def triplet(self) -> str:
        return _MACHINES[self.arch][0]

    @property
    def compiler(self) -> str:
        """Debian's package of the compiler for this processor."""
        return f"gcc-{self.triplet.replace('_', '-')}"

    @cached_property
    def wheel_platforms(self) -> list[str]:
        """Platform tags of wheels that run there, best first."""
        machine = _MACHINES[self.arch][1]
        newest = int(self.suite.glibc.partition(".")[2])
        tags = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, 16, -1)]
        return [*tags, f"manylinux2014_{machine}", f"linux_{machine}"]

    @property
    def module_suffix(self) -> str:
        return f".cpython-{self.suite.python.replace('.', '')}-{self.triplet}.so"

    def __str__(self) -> str:
        return f"{self.suite.name}-{self.arch}"
