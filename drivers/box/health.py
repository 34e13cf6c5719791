"""What the kernel says of the box's health, out of /proc, /sys and the buffer's file system."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from drivers.box.flash import Flash
from drivers.box.tags import Value

_MIB = 1 << 20
#: A sensor that says less or more, in °C, is none.
_TEMPERATURES = (-60.0, 200.0)
#: Thermal zones of processors, by what their `type` contains; without one the hottest counts.
_PROCESSORS = ("cpu", "soc", "x86_pkg_temp")


class Health:
    """`root`: where /proc and /sys are found, "/" but in tests. Any one thread."""

    def __init__(self, buffer: Path, root: Path = Path("/")) -> None:
        self._proc, self._sys = root / "proc", root / "sys"
        self._buffer, self._flash = buffer, Flash(buffer, root)
        self._busy = self._all = 0  # ticks of all processors when last looked at

    def read(self) -> dict[str, Value]:
        """Each value that this box has. May hang where the disk does."""
        readers: dict[str, Callable[[], Value | None]] = {
            "cpu_temperature": self._temperature,
            "cpu_busy": self._cpu_busy,
            "load_1min": lambda: float(self._words("loadavg")[0]),
            "memory_available": self._available,
            "memory_service": lambda: int(self._words("self/statm")[1]) * _PAGE // _MIB,
            "uptime": lambda: int(self._uptime_s() / 3600),
            "under_voltage": self._under_voltage,
        }
        found: dict[str, Value] = {}
        for name, reader in readers.items():
            with contextlib.suppress(OSError, ValueError, IndexError):  # this box has it not
                if (value := reader()) is not None:
                    found[name] = value
        with contextlib.suppress(OSError):
            on = os.statvfs(self._buffer)
            found["buffer_free"] = on.f_bavail * on.f_frsize // _MIB
            found["buffer_read_only"] = bool(on.f_flag & os.ST_RDONLY)
        with contextlib.suppress(OSError, ValueError, IndexError):
            found |= self._flash.read(self._uptime_s())
        return found

    def _words(self, name: str) -> list[str]:
        return (self._proc / name).read_text("ascii", "replace").split()

    def _uptime_s(self) -> float:
        return float(self._words("uptime")[0])

    def _temperature(self) -> float | None:
        found = {zone: said for zone, said in self._zones() if _is_likely(said)}
        chosen = [said for kind, said in found.items() if any(each in kind for each in _PROCESSORS)]
        return max(chosen or found.values(), default=None)

    def _zones(self) -> Iterator[tuple[str, float]]:
        """Kind of each thermal zone, made unlike others', and its temperature in °C."""
        for zone in sorted(self._sys.glob("class/thermal/thermal_zone*")):
            with contextlib.suppress(OSError, ValueError):  # one that is switched off says EAGAIN
                kind = (zone / "type").read_text("ascii", "replace").strip().lower()
                yield f"{kind} {zone.name}", int((zone / "temp").read_text()) / 1000

    def _cpu_busy(self) -> float | None:
        """Percent since the last look; at first since boot (proc_stat(5))."""
        user, nice, system, idle, waiting, *more = map(int, self._words("stat")[1:9])
        busy = user + nice + system + sum(more)
        all_ = busy + idle + waiting
        before, self._busy, self._all = (self._busy, self._all), busy, all_
        if all_ <= before[1]:
            return None
        return round(100 * (busy - before[0]) / (all_ - before[1]), 1)

    def _available(self) -> int | None:
        words = self._words("meminfo")
        return int(words[words.index("MemAvailable:") + 1]) * 1024 // _MIB

    def _under_voltage(self) -> bool | None:
        """Whether a sensor of the supply raises its alarm: hwmon's in*_lcrit_alarm, in*_min_alarm
        (Documentation/hwmon/sysfs-interface.rst); of a Raspberry Pi `rpi_volt`.
        """
        alarms = [
            file.read_text().strip()
            for kind in ("lcrit", "min")
            for file in sorted(self._sys.glob(f"class/hwmon/hwmon*/in*_{kind}_alarm"))
        ]
        return "1" in alarms if alarms else None


_PAGE = os.sysconf("SC_PAGE_SIZE")


def _is_likely(temperature: float) -> bool:
    return _TEMPERATURES[0] < temperature < _TEMPERATURES[1]
