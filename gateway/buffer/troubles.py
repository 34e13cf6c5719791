"""What is wrong with the buffer, worst first: each loss with the advice that helps against it.

Blocks are dropped for four reasons that want four remedies: the buffer reached its own limit,
others filled the file system, memory overflowed while the disk failed, or blocks grew too old.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from gateway.buffer.block import BufferConfig
from gateway.config.units import show_size
from gateway.report.snapshot import BufferSnapshot, Said
from gateway.system_errors import reason

#: A worn card may take a second or two.
HANG_NS = 5 * 10**9
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
#: From this share of its limit on, status warns that blocks will be lost soon.
NEAR_SHARE = 0.8
#: The disk's is from so many times what is left free to others.
NEAR_FREE = 4


def write_failed(error: OSError, path: str) -> Said:
    """Why blocks stay in memory."""
    if error.errno == errno.EROFS:
        return Said(id="buffer.read_only", args={"path": path})
    if error.errno in _NO_SPACE:
        return Said(id="buffer.disk_full", args={"path": path})
    return Said(id="buffer.disk_failed", args={"error": reason(error)})


def disk_hangs(waits_ns: int) -> Said | None:
    """The warning that the disk has not answered for long; None while the wait is a usual one."""
    if waits_ns < HANG_NS:
        return None
    return Said(id="buffer.disk_hangs", args={"seconds": waits_ns // 10**9})


def unclean_end(last_write_utc_ns: int, flush_every_ns: int) -> Said:
    """The warning that the last run was killed or lost its power, with about when: it wrote until
    then.
    """
    moment = datetime.fromtimestamp(last_write_utc_ns / 1e9, UTC).astimezone()
    when = f"{moment:%m-%d %H:%M}" if last_write_utc_ns else "?"
    seconds = f"{flush_every_ns / 1e9:g}"
    return Said(id="buffer.unclean_end", args={"when": when, "seconds": seconds})


def wrong_at_opening(state_lost: bool, newer: Sequence[str]) -> list[Said]:
    """`newer`: files that are kept unread."""
    found = [Said(id="buffer.state_lost", args={})] if state_lost else []
    if newer:
        found.append(Said(id="buffer.newer_format", args={"file": newer[0], "count": len(newer)}))
    return found


def troubles(
    cause: Said | None,
    lost: Mapping[str, int],
    for_space: int,
    free_bytes: int | None,
    damaged_records: int,
    path: str,
) -> list[Said]:
    """`lost`: blocks by reason since the start; `for_space`: how many of them left because others
    filled the file system; `free_bytes`: what is free there, None while that is enough.
    """
    found = [cause] if cause else []
    if for_space and free_bytes is not None:
        args = {"path": path, "free": show_size(free_bytes), "blocks": for_space}
        found.append(Said(id="buffer.no_space", args=args))
    elif for_space:
        found.append(Said(id="buffer.no_space_before", args={"path": path, "blocks": for_space}))
    return [*found, *_losses(lost, for_space, damaged_records)]


def early(
    buffer: BufferSnapshot,
    config: BufferConfig,
    speed: float | None,
    free_bytes: int | None,
    *,
    read_only: bool,
    connected: bool,
) -> Iterator[Said]:
    """What will be lost if nothing is done. `speed`: by how many bytes a second it fills, below
    zero where it empties, None while that is not known; `free_bytes`: of its file system, likewise;
    `read_only`: that takes no writes, which nothing else shows while the platform takes all;
    `connected`: to the platform, which then takes less than is read.
    """
    if read_only and buffer["state"] == "ok":
        yield Said(id="buffer.read_only", args={"path": config.path})
    newest = config.when_full == "drop_newest"
    share = buffer["bytes"] / config.max_bytes
    if share >= NEAR_SHARE and (speed is None or speed >= 0) and not _is_dropping(buffer, speed):
        drops = Said(id="buffer.drops_newest" if newest else "buffer.drops_oldest", args={})
        forecast = Said(id="buffer.full_then", args={"drops": drops})
        if speed:
            left_s = (config.max_bytes - buffer["bytes"]) / speed
            forecast = Said(id="buffer.full_in", args={"drops": drops, "time": _about(left_s)})
        said = "buffer.near_connected" if connected else "buffer.near"
        yield Said(id=said, args={"percent": int(100 * share), "forecast": forecast})
    floor = config.free_bytes_min
    if buffer["state"] == "ok" and free_bytes is not None and free_bytes < NEAR_FREE * floor:
        args = {"path": config.path, "free": show_size(free_bytes)}
        said = "buffer.disk_near_newest" if newest else "buffer.disk_near"
        yield Said(id=said, args={**args, "floor": show_size(floor)})


def _is_dropping(buffer: BufferSnapshot, speed: float | None) -> bool:
    """It is full and drops, which is said: what comes next is what happens now."""
    full = any(said["id"] == "buffer.full" for said in buffer["warnings"])
    return full and speed is None


def _about(seconds: float) -> Said:
    """A duration in words, rounded: a forecast is no more exact than that."""
    if seconds >= 2 * 86_400:
        return Said(id="cli.days", args={"days": int(seconds / 86_400)})
    if seconds >= 7200:
        return Said(id="cli.hours", args={"hours": int(seconds / 3600)})
    return Said(id="cli.minutes", args={"minutes": max(1, int(seconds / 60))})


def _losses(lost: Mapping[str, int], for_space: int, damaged_records: int) -> Iterator[Said]:
    full = lost.get("evicted_oldest", 0) + lost.get("refused_newest", 0) - for_space
    for message, blocks in (
        ("buffer.full", full),
        ("buffer.memory_full", lost.get("memory_full", 0)),
        ("buffer.expired", lost.get("expired", 0)),
        ("buffer.rejected", lost.get("rejected", 0)),
        ("buffer.platform_lost", lost.get("platform_lost", 0)),
    ):
        if blocks:
            yield Said(id=message, args={"blocks": blocks})
    if damaged_records:
        yield Said(id="buffer.damaged", args={"records": damaged_records})
