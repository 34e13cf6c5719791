"""What `status` shows of the buffer."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.buffer.announcements import Announcements
from gateway.buffer.block import BufferConfig
from gateway.buffer.expiry import age_s
from gateway.buffer.index import Index
from gateway.buffer.troubles import disk_hangs, troubles
from gateway.buffer.writer import Writer
from gateway.ports import Clock
from gateway.report.snapshot import BufferSnapshot, Said

#: From this share of `memory_bytes_max` on blocks in RAM are dropped.
FULL_SHARE = 0.95


def mark(config: BufferConfig, clock: Clock, writer: Writer, index: Index) -> object:
    """For the watchdog: changes as the buffer works; None while nothing is due. A disk that does
    not answer counts once RAM has no room left for what it should take.
    """
    calls = writer.disk_thread.calls
    if disk_hangs(writer.disk_thread.waits_ns()):
        held = sum(epoch.ram_bytes for epoch in index.epochs.values())
        return calls if held > FULL_SHARE * config.memory_bytes_max else None
    return (writer.rounds, calls) if clock.now_ns() >= writer.next_due_ns() else None


def snapshot(
    config: BufferConfig,
    clock: Clock,
    writer: Writer,
    index: Index,
    announcements: Announcements,
    found_wrong: Sequence[Said],
    unclean: Said | None,
) -> BufferSnapshot:
    """What `status` shows of the whole buffer. `found_wrong`: damage seen when it was opened;
    `unclean`: how the run before ended, if not cleanly.
    """
    kept = list(index.epochs.values())
    lost = announcements.lost_by_reason
    cause = disk_hangs(writer.disk_thread.waits_ns()) or writer.cause
    wrong = troubles(
        cause,
        lost,
        writer.for_space_blocks,
        writer.short_of_space,
        writer.damaged_records,
        config.path,
    )
    short = writer.short_of_space is not None
    return BufferSnapshot(
        state="memory_only" if cause else "no_space" if short else "ok",
        cause=cause,
        warnings=[*found_wrong, *wrong],
        blocks=index.live_blocks,
        bytes=writer.disk_bytes,
        max_bytes=config.max_bytes,
        memory_blocks=sum(len(epoch.ram) for epoch in kept),
        memory_bytes=sum(epoch.ram_bytes for epoch in kept),
        oldest_s=_oldest_s(clock, writer, index),
        written_bytes=writer.written_bytes,
        flushes=writer.flushes,
        flush_lag_ms=writer.flush_lag_ns() / 1e6,
        evicted_blocks=sum(
            lost.get(reason, 0)
            for reason in ("evicted_oldest", "refused_newest", "expired", "memory_full")
        ),
        rejected_blocks=lost.get("rejected", 0),
        damaged_records=writer.damaged_records,
        gaps=dict(lost),
        previous_end=unclean,
    )


def _oldest_s(clock: Clock, writer: Writer, index: Index) -> float | None:
    """Age of the oldest live block: of its segment, where it is on disk. None: not known."""
    now = clock.now_ns()
    if (segment := index.oldest_live()) is not None:
        return age_s(segment, now, writer.known_utc_ns() or clock.utc_ns())
    oldest = min((b.oldest_ns for b in writer.ram().values()), default=None)
    return None if oldest is None else (now - oldest) / 1e9
