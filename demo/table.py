"""The last page of the demonstration: what the three books say, in words for newcomers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from demo.words import words
from gateway.plain import width
from tests.kit.ledger import Report

_WHY = {
    "overrun": "the scan before it was still running",
    "device_silent": "the device does not answer (meter-4 is switched off)",
    "link_down": "the connection was not up yet",
    "crash": "the daemon was killed",
    "memory_full": "the box's memory was full",
    "evicted_oldest": "the buffer was full",
    "replanned": "UTC moved: no moment of its grid fell to it",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured beside the books."""

    samples: int
    bytes_up: int
    bytes_down: int
    daemon_cpu_s: float
    daemon_wall_s: float
    rss_bytes: int
    duplicates: int
    late: dict[str, dict[str, int]]  # by device: p50 and p99 in microseconds


def table(report: Report, figures: Figures) -> str:
    """Plain text, 80 columns."""
    stored = report.sampled - report.missing - sum(report.in_gaps.values()) - report.read_as_bad
    twice = words(
        "stored more than once ({repeats} repeats came and were refused)",
        repeats=figures.duplicates,
    )
    books = words("answers of the simulated machines, by their books")
    bad = words("stored with the reason instead of a value")
    rows = [
        (words("sampled"), f"{report.sampled:,}", books),
        (words("stored"), f"{stored:,}", words("of them in the platform's store")),
        (words("twice"), f"{report.twice}", twice),
        (words("missing"), f"{report.missing}", words("neither stored nor announced as missing")),
    ]
    if report.read_as_bad:
        rows.append((words("bad"), f"{report.read_as_bad}", bad))
    for reason, count in sorted(report.in_gaps.items()):
        name = words("in a gap: {reason}", reason=words(reason))
        rows.append((name, f"{count}", words(_WHY.get(reason, reason))))
    silent = report.gap_ticks.get("device_silent", 0)
    off = words("ticks of meter-4, off all the time: announced")
    rows.append((words("not asked"), f"{silent}", off))
    rows.append(("", "", ""))
    rows += _figures(figures)
    return "\n".join(
        f"{name}{' ' * (20 - width(name))}{value:>9}  {what}".rstrip() for name, value, what in rows
    )


def _figures(figures: Figures) -> list[tuple[str, str, str]]:
    total = figures.bytes_up + figures.bytes_down
    cpu = 100 * figures.daemon_cpu_s / figures.daemon_wall_s
    rows = [
        (
            words("bytes a sample"),
            f"{total / max(1, figures.samples):.2f}",
            words(
                "{samples:,} samples, {total:,} bytes with TLS, gRPC, acks",
                samples=figures.samples,
                total=total,
            ),
        ),
        (words("CPU"), f"{cpu:.1f} %", words("of one core, the whole daemon")),
        (words("memory"), f"{figures.rss_bytes / 2**20:.0f} MB", words("of the daemon")),
    ]
    for device, late in figures.late.items():
        p50, p99 = (f"{late[key] / 1000:.2f} ms" for key in ("p50", "p99"))
        told = words("half of its scans; 99 of 100: {p99}", p99=p99)
        rows.append((words("late: {device}", device=device), p50, told))
    return rows


def late_of(status: dict[str, Any], devices: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """p50 and p99 of the fastest group of each device."""
    found = {}
    for device in status["devices"]:
        if device["name"] in devices:
            fastest = min(device["groups"], key=lambda group: int(group["period_ns"]))
            found[device["name"]] = {key: fastest["late_us"][key] for key in ("p50", "p99")}
    return found
