"""The simulated controllers' own book: which counter each answer carried, and when.

One line an answer: device, counter, time asked, time answered (CLOCK_BOOTTIME, nanoseconds),
separated by spaces. A fifth word, `spoilt`, marks an answer that a fault kept from arriving whole
and in time: nobody can be asked to have stored it. Lines are kept in memory and written some
thousands at a time; where the book is no file, but a device or a pipe, each at once.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from time import CLOCK_BOOTTIME, clock_gettime_ns

_LINES = 2048


def now_ns() -> int:
    """CLOCK_BOOTTIME: the clock of the gateway's scans."""
    return clock_gettime_ns(CLOCK_BOOTTIME)


class Book:
    """Appends to `path`, or remembers nothing without one. Any thread."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("a", encoding="ascii") if path else None
        self._lines: list[str] = []
        self._lines_max = 1 if path and not path.is_file() else _LINES
        self._lock = Lock()

    def write(self, device: str, counter: int, asked_ns: int, spoilt: bool) -> None:
        """Answered now."""
        if self._file is None:
            return
        end = " spoilt\n" if spoilt else "\n"
        with self._lock:
            self._lines.append(f"{device} {counter} {asked_ns} {now_ns()}{end}")
        if len(self._lines) >= self._lines_max:
            self.flush()

    def flush(self) -> None:
        """Everything written so far is in the file when this returns."""
        with self._lock:
            if self._file is not None:
                self._file.writelines(self._lines)
                self._file.flush()
            self._lines.clear()

    def close(self) -> None:
        """Flush, and remember nothing from now on."""
        self.flush()
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
