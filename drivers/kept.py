"""What of a link and its devices is kept over a restart, beside what their drivers learn."""

from __future__ import annotations

from typing import Any

from drivers.api import IN_FLIGHT_AUTO


def flights_of(kept: Any) -> int:
    """How many requests at once were good in an earlier run."""
    return max(1, min(_number(kept, "in_flight"), IN_FLIGHT_AUTO))


def pause_of(kept: Any) -> int:
    """The silence between requests, in ns, that a device wanted in an earlier run."""
    return max(0, _number(kept, "pause_ns"))


def _number(kept: Any, key: str) -> int:
    found = kept.get(key) if isinstance(kept, dict) else None
    return found if isinstance(found, int) and abs(found) < 1 << 62 else 0
