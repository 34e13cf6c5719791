"""The last page of the demonstration: what the three books say, in words for newcomers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.kit.ledger import Report

_WHY = {
    "overrun": "the scan before it was still running",
    "device_silent": "the device does not answer (meter-4 is switched off)",
    "link_down": "the connection was not up yet",
    "crash": "the daemon was killed",
    "memory_full": "the box's memory was full",
    "evicted_oldest": "the buffer was full",
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
    repeats = f"{figures.duplicates} repeats came and were refused"
    rows = [
        ("sampled", f"{report.sampled:,}", "answers of the simulated machines, by their books"),
        ("stored", f"{stored:,}", "of them in the platform's store"),
        ("twice", f"{report.twice}", f"stored more than once ({repeats})"),
        ("missing", f"{report.missing}", "neither stored nor announced as missing"),
    ]
    if report.read_as_bad:
        rows.append(("bad", f"{report.read_as_bad}", "stored with the reason instead of a value"))
    for reason, count in sorted(report.in_gaps.items()):
        rows.append((f"in a gap: {reason}", f"{count}", _WHY.get(reason, reason)))
    silent = report.gap_ticks.get("device_silent", 0)
    rows.append(("not asked", f"{silent}", "ticks of meter-4, off all the time: announced"))
    rows.append(("", "", ""))
    rows += _figures(figures)
    return "\n".join(f"{name:<20}{value:>9}  {what}".rstrip() for name, value, what in rows)


def _figures(figures: Figures) -> list[tuple[str, str, str]]:
    total = figures.bytes_up + figures.bytes_down
    cpu = 100 * figures.daemon_cpu_s / figures.daemon_wall_s
    rows = [
        (
            "bytes a sample",
            f"{total / max(1, figures.samples):.2f}",
            f"{figures.samples:,} samples, {total:,} bytes with TLS, gRPC, acks",
        ),
        ("CPU", f"{cpu:.1f} %", "of one core, the whole daemon"),
        ("memory", f"{figures.rss_bytes / 2**20:.0f} MB", "of the daemon"),
    ]
    for device, late in figures.late.items():
        p50, p99 = (f"{late[key] / 1000:.2f} ms" for key in ("p50", "p99"))
        rows.append((f"late: {device}", p50, f"half of its scans; 99 of 100: {p99}"))
    return rows


def late_of(status: dict[str, Any], devices: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """p50 and p99 of the fastest group of each device."""
    found = {}
    for device in status["devices"]:
        if device["name"] in devices:
            fastest = min(device["groups"], key=lambda group: int(group["period_ns"]))
            found[device["name"]] = {key: fastest["late_us"][key] for key in ("p50", "p99")}
    return found
