"""The disk that the buffer is on: how much is written to it a day, and how worn it is."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from pathlib import Path

from drivers.box.tags import Value

_MIB, _SECTOR = 1 << 20, 512
_DAY_S = 86_400.0
#: What is written counts over a day, looked at this often; a day's worth is not told of less.
_STEP_S = 600.0
#: How often a cheap eMMC can be written over as a whole by what the box writes: cells bear 3,000
#: times or so, and the controller writes three times as much as it is told.
OVERWRITES = 1000
_YEARS_MAX = 99.0


class Flash:
    """Of one directory's disk. Any one thread."""

    def __init__(self, folder: Path, root: Path = Path("/")) -> None:
        self._folder, self._sys = folder, root / "sys"
        #: (seconds since boot, bytes written since boot); counting begins with the boot.
        self._written: deque[tuple[float, int]] = deque([(0.0, 0)])

    def read(self, uptime_s: float) -> dict[str, Value]:
        """Raises OSError or ValueError where the disk tells nothing of itself: a RAM disk."""
        disk = self._disk()
        a_day = self._a_day(disk, uptime_s)
        used = _life_used(disk)
        found: dict[str, Value] = {}
        if a_day is not None:
            found["flash_written"] = round(a_day / _MIB)
        if used is not None:
            found["flash_life_used"] = used
            if a_day is not None:
                left = (100 - used) / 100 * OVERWRITES * _bytes_of(disk)
                found["flash_years_left"] = min(_YEARS_MAX, left / max(a_day, 1.0) / 365.25)
        return found

    def _disk(self) -> Path:
        """Its folder below /sys; of a mapped device the disk below it."""
        device = self._folder.stat().st_dev
        link = self._sys / "dev/block" / f"{os.major(device)}:{os.minor(device)}"
        at = link.resolve(strict=True)
        while below := sorted((at / "slaves").glob("*")):
            at = below[0].resolve(strict=True)
        return at.parent if (at / "partition").exists() else at

    def _a_day(self, disk: Path, uptime_s: float) -> float | None:
        """Bytes a day, over the last day or since boot; None for the first minutes."""
        written = int((disk / "stat").read_text().split()[6]) * _SECTOR
        if written < self._written[-1][1]:  # another disk of this name
            self._written = deque([(uptime_s, written)])
        if uptime_s - self._written[-1][0] >= _STEP_S:
            self._written.append((uptime_s, written))
        while len(self._written) > 1 and uptime_s - self._written[1][0] >= _DAY_S:
            self._written.popleft()
        since, before = self._written[0]
        span_s = uptime_s - since
        return (written - before) * _DAY_S / span_s if span_s >= _STEP_S else None


def _bytes_of(disk: Path) -> int:
    return int((disk / "size").read_text()) * _SECTOR


def _life_used(disk: Path) -> int | None:
    """Percent, at most, of the worse kind of memory: an eMMC tells it in tenths, 1 is up to 10 %
    (JESD84-B51 section 7.4.34, DEVICE_LIFE_TIME_EST_TYP_A and _B). None: it does not say.
    """
    with contextlib.suppress(OSError):
        tenths = [int(each, 16) for each in (disk / "device/life_time").read_text().split()]
        if (worst := max(tenths, default=0)) > 0:
            return min(100, 10 * worst)
    return None
