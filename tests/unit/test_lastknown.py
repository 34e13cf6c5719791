"""The last known time on disk, and the clock that is set forward to it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gateway.clock import UTC_NS_MIN, LastKnown
from gateway.lastknown import NAME, WRITE_EVERY_NS, Keeper, load, restore

S = 10**9
UTC_2026 = 1_795_000_000 * S


def test_time_when_kept_is_read_back_and_written_each_ten_minutes(tmp_path: Path) -> None:
    keeper, file = Keeper(tmp_path), tmp_path / NAME
    assert load(file) is None
    keeper.keep(None)
    assert not file.exists()
    first = LastKnown(UTC_2026, "boot-1", 7)
    keeper.keep(first)
    assert load(file) == first
    keeper.keep(LastKnown(UTC_2026 + S, "boot-1", 7 + WRITE_EVERY_NS - 1))
    assert load(file) == first
    later = LastKnown(UTC_2026 + S, "boot-1", 7 + WRITE_EVERY_NS)
    keeper.keep(later)
    assert load(file) == later
    last = LastKnown(UTC_2026 + 2 * S, "boot-1", 8 + WRITE_EVERY_NS)
    keeper.keep(last, now=True)
    assert load(file) == last


@pytest.mark.parametrize("text", [b"", b"rubbish", b"00000000 {}\n", b"\xff" * 99])
def test_file_when_damaged_says_nothing(tmp_path: Path, text: bytes) -> None:
    (tmp_path / NAME).write_bytes(text)
    assert load(tmp_path / NAME) is None


def test_file_when_a_byte_of_it_is_damaged_is_read_from_its_copy(tmp_path: Path) -> None:
    file, known = tmp_path / NAME, LastKnown(UTC_2026, "boot-1", 7)
    Keeper(tmp_path).keep(known)
    data = file.read_bytes()
    for at in range(0, len(data), 11):
        file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert load(file) == known, at


def test_clock_when_it_is_later_already_is_left_alone(tmp_path: Path) -> None:
    assert restore(tmp_path / NAME) is None
    Keeper(tmp_path).keep(LastKnown(UTC_NS_MIN, "boot-1", 7))
    before_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
    assert restore(tmp_path / NAME, not_before_ns=UTC_NS_MIN) is None
    assert abs(time.clock_gettime_ns(time.CLOCK_REALTIME) - before_ns) < 60 * S
