"""The days and months of a SIM card's bill, as numbers that count up.

They begin at midnight of UTC+8, where the operators' months begin, whatever zone the box is set to.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

from gateway.config.units import Per

ZONE = timezone(timedelta(hours=8))
DAY_NS = 86_400 * 10**9
#: The most powered time that one period lasts: its longest, and slack for a clock that drifts.
LENGTH_NS: dict[Per, int] = {"day": DAY_NS + DAY_NS // 24, "month": 32 * DAY_NS}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def number(per: Per, utc_ns: int) -> int:
    """The day or month that holds this moment: days, or months, since the year 1."""
    here = (_EPOCH + timedelta(microseconds=utc_ns // 1000)).astimezone(ZONE)
    return here.toordinal() if per == "day" else here.year * 12 + here.month - 1


def first_day(per: Per, period: int) -> date:
    """The day with which it begins."""
    return date.fromordinal(period) if per == "day" else date(period // 12, period % 12 + 1, 1)


def begin_ns(per: Per, period: int) -> int:
    """UTC of its first moment."""
    day = first_day(per, period)
    begin = datetime(day.year, day.month, day.day, tzinfo=ZONE)
    return (begin - _EPOCH) // timedelta(microseconds=1) * 1000
