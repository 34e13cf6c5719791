"""The last time that was known, kept on disk for a box whose clock does not outlive a power cut.

Such a box boots in 1970, and then every certificate is "not yet valid": it never reaches the
platform that would tell it the time. So the file `clock` beside the buffer keeps the last time that
something vouched for, and before the daemon starts root's unit `jiahe-clock` sets the system clock
forward to it (`jiahe clock restore`), as systemd-timesyncd does with its own file. It is an
estimate: anchors say so.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict
from pathlib import Path

from gateway.buffer.state import sealed, unsealed
from gateway.clock import LastKnown, is_plausible

_log = logging.getLogger(__name__)

NAME = "clock"
#: What a power cut costs the estimate at most, beside the time that the box was off.
WRITE_EVERY_NS = 600 * 10**9
_BYTES_MAX = 1 << 16


def load(file: Path) -> LastKnown | None:
    """What the file says; None where there is none that can be right. Raises no OSError."""
    try:
        with file.open("rb") as opened:
            text = unsealed(opened.read(_BYTES_MAX))
    except OSError:
        return None
    try:
        known = None if text is None else LastKnown(**json.loads(text))
    except (TypeError, ValueError):
        return None
    return known if known is not None and is_plausible(known.utc_ns) else None


class Keeper:
    """Writes the file now and then. May wait for the disk."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / NAME
        self._written: LastKnown | None = None

    def keep(self, known: LastKnown | None, *, now: bool = False) -> None:
        """`known`: what the next boot is to know; None: nothing. `now`: though it is not due."""
        last = self._written
        if known is None or (
            last is not None and not now and known.boot_ns - last.boot_ns < WRITE_EVERY_NS
        ):
            return
        self._written = known  # a disk that refuses is tried again when it is due
        fresh = self._file.with_suffix(".new")
        try:
            with fresh.open("wb") as opened:
                opened.write(sealed(json.dumps(asdict(known)).encode()))
                opened.flush()
                os.fsync(opened.fileno())
            fresh.replace(self._file)
        except OSError as error:
            _log.warning("%s can't be written: %s", self._file, error)


def restore(file: Path, not_before_ns: int = 0) -> int | None:
    """Set the system clock forward to what is known; the UTC that it was set to, in ns, None where
    it is later already, or nothing is known. Raises OSError without the right to set it.

    `not_before_ns`: this box's certificate was issued then, so it is not earlier.
    """
    known = load(file)
    floor_ns = max(known.utc_ns if known else 0, not_before_ns)
    if not is_plausible(floor_ns) or time.clock_gettime_ns(time.CLOCK_REALTIME) >= floor_ns:
        return None
    time.clock_settime_ns(time.CLOCK_REALTIME, floor_ns)
    return floor_ns
