"""The buffer's losses, told before they come."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.buffer.block import BufferConfig
from gateway.buffer.troubles import early
from gateway.messages import remedy, say
from gateway.report.recent import Filling
from tests.cli.daemon import SNAPSHOT

SECOND = 10**9
MIB = 1 << 20


def buffer(used: float, **changes: Any) -> Any:
    return {**SNAPSHOT["buffer"], "bytes": int(used * 1000 * MIB), "warnings": [], **changes}


def words(now: Any, speed: float | None, free: int | None = None, full: Any = "drop_oldest") -> Any:
    config = BufferConfig("jx", max_bytes=1000 * MIB, when_full=full, path="/data")
    found = early(now, config, speed, free, read_only=False, connected=False)
    return [say(said, "zh") for said in found]


@pytest.mark.parametrize(
    ("used", "speed", "full", "found"),
    [
        (0.79, 9000.0, "drop_oldest", []),
        (0.8, 9259.0, "drop_oldest", ["缓存已用 80 %，按现在的速度约 6 小时后开始丢最早的数据"]),
        (0.9, 1e6, "drop_oldest", ["缓存已用 90 %，按现在的速度约 1 分后开始丢最早的数据"]),
        (0.9, 500.0, "drop_newest", ["缓存已用 90 %，按现在的速度约 2 天后开始丢新采的数据"]),
        (0.8, None, "drop_oldest", ["缓存已用 80 %，满了就丢最早的数据"]),
        (0.8, 0.0, "drop_newest", ["缓存已用 80 %，满了就丢新采的数据"]),
        (0.9, -1000.0, "drop_oldest", []),
    ],
    ids=["below", "hours", "minutes", "days", "unknown", "still", "empties"],
)
def test_buffer_when_nearly_full_then_told_how_long_it_lasts(
    used: float, speed: float | None, full: str, found: list[str]
) -> None:
    assert words(buffer(used), speed, full=full) == found


def test_buffer_when_nearly_full_though_connected_then_not_told_to_mend_the_connection() -> None:
    config = BufferConfig("jx", max_bytes=1000 * MIB)
    (said,) = early(buffer(0.9), config, 9000.0, None, read_only=False, connected=True)
    assert say(said, "zh").startswith("缓存已用 90 %，平台连着但传得没有采得快，按现在的速度约")
    assert "data_budget" in remedy(said["id"], "zh")


def test_buffer_when_it_drops_already_then_not_told_that_it_will() -> None:
    full = {"id": "buffer.full", "args": {"blocks": 5}}
    assert words(buffer(0.97, warnings=[full]), None) == []
    assert words(buffer(0.85, warnings=[full]), 9000.0) != []  # that was an earlier outage


@pytest.mark.parametrize(
    ("free", "full", "state", "found"),
    [
        (20 * MIB, "drop_oldest", "ok", "磁盘只剩 20 MiB（/data），低于 8 MiB 就丢最早的数据"),
        (20 * MIB, "drop_newest", "ok", "磁盘只剩 20 MiB（/data），写满后新数据只在内存里"),
        (32 * MIB, "drop_oldest", "ok", ""),
        (None, "drop_oldest", "ok", ""),
        (1 * MIB, "drop_oldest", "no_space", ""),
    ],
    ids=["near", "near-newest", "enough", "unknown", "said-already"],
)
def test_disk_when_others_fill_it_then_told_before_data_goes(
    free: int | None, full: str, state: str, found: str
) -> None:
    said = words(buffer(0.1, state=state), None, free, full)
    assert (said[0] if said else "").startswith(found) and bool(said) == bool(found)


def test_speed_when_it_fills_for_a_minute_then_known_and_of_the_last_minutes() -> None:
    filling = Filling()
    for second in range(0, 3600, 5):
        kept = 1000 * second if second < 1800 else 1_800_000 + 10 * (second - 1800)
        filling.look(kept, 0, second * SECOND)
        speed = filling.bytes_a_second(kept, second * SECOND)
        if second < 60:
            assert speed is None
        elif second <= 1800:
            assert speed == pytest.approx(1000)
    assert speed == pytest.approx(10)


def test_speed_when_blocks_are_dropped_then_not_known_for_a_minute() -> None:
    filling = Filling()
    found = []
    for second in range(0, 200, 10):
        filling.look(1000 * second, 0 if second < 100 else 7, second * SECOND)
        found.append(filling.bytes_a_second(1000 * second, second * SECOND) is not None)
    assert found == 6 * [False] + 4 * [True] + 6 * [False] + 4 * [True]


def test_disk_when_it_became_read_only_and_the_platform_takes_all_then_told() -> None:
    config = BufferConfig("jx", max_bytes=1000 * MIB, path="/data")
    (said,) = early(buffer(0.1), config, None, None, read_only=True, connected=True)
    assert say(said, "zh").startswith("磁盘 /data 变成了只读")
    failed = buffer(0.1, state="memory_only")  # that says it by itself
    assert not list(early(failed, config, None, None, read_only=True, connected=False))
