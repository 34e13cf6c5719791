"""Which hardware this is, as far as it says so: by this a platform tells a box from its clone.

A copied card brings its configuration, its certificate and its machine-id with it, so none of them
counts. What counts is burnt into the hardware: the serial number of the processor or the board, the
identifier of an eMMC that is soldered on, the permanent addresses of network interfaces.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_log = logging.getLogger(__name__)

BYTES = 16
_READ_MAX = 4096
#: What boards say that were never given a number of their own.
_NOBODY = frozenset(
    {
        "", "0", "none", "default string", "to be filled by o.e.m.", "not specified",
        "03000200-0400-0500-0006-000700080009", "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "00000000-0000-0000-0000-000000000000",
    }
)  # fmt: skip
#: The bit of a MAC that says that somebody made it up.
_LOCAL = 0x02


def machine(root: Path = Path("/")) -> bytes:
    """A hash of what is burnt in; empty where nothing can be read. `root`: for tests.

    The best kind alone: a network card that is added must not make another machine of a board that
    has a number.
    """
    for kind in (_board, _emmc, _interfaces):
        found = sorted(set(kind(root)))
        if found:
            words = "\n".join([kind.__name__, *found])
            return hashlib.sha256(words.encode()).digest()[:BYTES]
    return b""


def _board(root: Path) -> Iterator[str]:
    yield from _number(root / "sys/firmware/devicetree/base/serial-number")
    yield from _number(root / "sys/class/dmi/id/product_uuid")
    for line in _read(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "Serial":
            yield from _of(value)


def _emmc(root: Path) -> Iterator[str]:
    """Cards that can be taken out say SD; what is soldered on says MMC."""
    for card in _entries(root / "sys/bus/mmc/devices"):
        if _read(card / "type").strip() == "MMC":
            yield from _number(card / "cid")


def _interfaces(root: Path) -> Iterator[str]:
    """Hardware addresses of real network devices, as their makers gave them."""
    for interface in _entries(root / "sys/class/net"):
        if not (interface / "device").exists():
            continue
        if _read(interface / "addr_assign_type").strip() != "0":
            continue
        for address in _number(interface / "address"):
            first = address.partition(":")[0]
            try:
                made_up = int(first, 16) & _LOCAL
            except ValueError:
                continue
            if not made_up:
                yield address


def _number(path: Path) -> Iterator[str]:
    yield from _of(_read(path))


def _of(words: str) -> Iterator[str]:
    number = words.strip("\0 \n\t").lower()
    if number not in _NOBODY and number.strip("0"):
        yield number


def _read(path: Path) -> str:
    """Empty where there is no such file, or none that all may read: what only root sees would make
    another machine of a box whose daemon is run by another user.
    """
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_mode & stat.S_IROTH:
                return ""
            return file.read(_READ_MAX).decode("utf-8", "replace")
    except OSError as error:
        _log.debug("%s: %s", path, error)
        return ""


def _entries(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except OSError as error:
        _log.debug("%s: %s", path, error)
        return []
