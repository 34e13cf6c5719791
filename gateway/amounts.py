"""Amounts as people read them: durations, sizes, counters, shares, values."""

from __future__ import annotations

import math
from typing import Any

from gateway.messages import text
from gateway.report.snapshot import BudgetSnapshot, Said


def duration(seconds: float | None, lang: str, *, brief: bool = False) -> str:
    """Two units at most: "3 天 4 小时", "12 s"; `brief`: one."""
    if seconds is None:
        return "-"
    whole = int(seconds)
    if brief and whole >= 86_400:
        return text("cli.days", lang, days=whole // 86_400)
    if brief and whole >= 3_600:
        return text("cli.hours", lang, hours=whole // 3_600)
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    if days:
        return text("cli.days_hours", lang, days=days, hours=hours)
    if hours:
        return text("cli.hours_minutes", lang, hours=hours, minutes=minutes)
    if minutes:
        return text("cli.minutes", lang, minutes=minutes)
    return text("cli.seconds", lang, seconds=whole)


def ago(seconds: float | None, lang: str, *, brief: bool = False) -> str:
    if seconds is None:
        return text("cli.never", lang)
    return text("cli.ago", lang, age=duration(seconds, lang, brief=brief))


def period(ns: float) -> str:
    """A period: "10 ms", "1.5 s"."""
    for unit, factor in (("ms", 1e6), ("s", 1e9)):
        if ns < 1000 * factor or unit == "s":
            return f"{ns / factor:.4g} {unit}"
    return ""


def size(count: float) -> str:
    """Bytes for people: "1.4 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def count(number: int) -> str:
    """A counter in at most six characters: "812345", "1.2M"."""
    if number < 1_000_000:
        return str(number)
    return f"{number / 1e6:.1f}M" if number < 1_000_000_000 else f"{number / 1e9:.1f}G"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def shown(value: Any) -> str:
    """A live value; a text as it is, a whole number without a point."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def resets(budget: BudgetSnapshot) -> Said:
    """When a data budget is counted anew; while the time is not known, at most how long that is."""
    if budget["resets_on"] is not None:
        return Said(id="budget.on", args={"date": budget["resets_on"]})
    hours = math.ceil(budget["resets_in_s"] / 3600)
    if hours <= 48:
        return Said(id="budget.within_hours", args={"hours": hours})
    return Said(id="budget.within", args={"days": math.ceil(hours / 24)})
