"""Rows for the forecast of bytes: a box at work, whose values move as a real one's do."""

from __future__ import annotations

import random

from drivers.api import GroupPlan
from drivers.box.tags import Value
from drivers.host.values import encode

#: Where each value stands, and how far it moves from one row to the next.
_MOVING = {
    "cpu_temperature": (48.0, 0.6), "cpu_busy": (9.0, 2.0), "load_1min": (0.3, 0.1),
    "memory_available": (610.0, 3.0), "memory_service": (46.0, 0.1), "buffer_free": (5200.0, 2.0),
    "flash_written": (420.0, 5.0), "signal": (70.0, 2.0), "rsrp": (-96.0, 1.5),
    "rsrq": (-11.0, 0.7), "sinr": (12.0, 1.2),
}  # fmt: skip
_STANDING: dict[str, Value] = {
    "buffer_read_only": False, "flash_life_used": 10, "flash_years_left": 30.0,
    "under_voltage": False, "radio_state": "connected", "operator": "CHINA MOBILE",
    "access": "lte+5gnr", "band": "n41", "cell": "0A1B2C3",
}  # fmt: skip


def rows(group: GroupPlan, seed: str, count: int) -> list[bytes]:
    """The data of `count` successive scans."""
    chance = random.Random(f"{seed} box")  # noqa: S311 - a simulation
    moving = {name: start for name, (start, _) in _MOVING.items()}
    made = []
    for scan in range(count):
        for name, (start, step) in _MOVING.items():
            # It returns to where it stands.
            moving[name] += chance.gauss(0, step) + 0.1 * (start - moving[name])
        values = {**_STANDING, **moving, "uptime": scan * group.period_ns // (3600 * 10**9)}
        row = b""
        for tag in group.tags:
            value = values[tag.name]
            row += encode(tag, value if tag.type != "int32" else round(float(value)))[1]
        made.append(row)
    return made
