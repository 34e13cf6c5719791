"""Ranges of blocks and the ticks of gaps, against sets."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer.gaps import GapSet, Loss, Ticks
from gateway.buffer.ranges import RangeSet

RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12)


@given(RANGES, RANGES, st.integers(0, 61))
def test_ranges_when_changed_at_random_equal_a_set(
    added: list[tuple[int, int]], removed: list[tuple[int, int]], number: int
) -> None:
    ranges, model = RangeSet(added), set[int]()
    for first, last in added:
        model |= set(range(first, last + 1))
    for first, last in removed:
        ranges.remove(first, last)
        model -= set(range(first, last + 1))
    assert list(ranges.numbers()) == sorted(model)
    assert (number in ranges) == (number in model)
    assert ranges.next_after(number) == min((n for n in model if n > number), default=None)
    assert list(ranges.within(10, number).numbers()) == [
        n for n in sorted(model) if 10 <= n <= number
    ]
    assert list(ranges.minus(RangeSet(removed)).numbers()) == sorted(model)
    assert all(b + 1 < c for (_, b), (c, _) in pairwise(ranges))
    prefix = next(n for n in range(1, 63) if n not in model) - 1
    assert ranges.prefix_end() == prefix


SPOTS = st.lists(st.integers(0, 300), max_size=60)


@given(SPOTS, SPOTS)
def test_ranges_when_joined_or_taken_from_each_other_equal_sets(a: list[int], b: list[int]) -> None:
    first, second = RangeSet((n, n) for n in a), RangeSet((n, n) for n in b)
    rest = first.minus(second)
    assert list(rest.numbers()) == sorted(set(a) - set(b))
    first.update(second)
    assert list(first.numbers()) == sorted({*a, *b})
    for ranges in (first, rest):
        assert all(b + 1 < c for (_, b), (c, _) in pairwise(ranges))


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 20)), max_size=15))
def test_gaps_when_joined_cover_the_same_ticks_in_few_runs(runs: list[tuple[int, int]]) -> None:
    gaps, model = GapSet(), set[int]()
    for first, count in runs:
        loss = Loss()
        last = first + count - 1
        loss.add_ticks(1, Ticks(first, count, first * 10, last * 10))
        gaps.lose(pb.GAP_REASON_EXPIRED, 9, loss)
        model |= set(range(first, first + count))
    found = [t for gap in gaps.take() for t in gap.ticks]
    assert not gaps
    covered = [tick for t in found for tick in range(t.first_tick, t.first_tick + t.count)]
    assert covered == sorted(model)
    for t in found:
        last = t.first_tick + t.count - 1
        assert (t.first_due_ns, t.last_due_ns) == (t.first_tick * 10, last * 10)
    assert all(a.first_tick + a.count < b.first_tick for a, b in pairwise(found))


def test_gaps_when_many_are_taken_in_parts_of_bounded_size() -> None:
    gaps = GapSet()
    for seq in range(1, 40_001, 2):
        gaps.lose(pb.GAP_REASON_REJECTED, 9, Loss(RangeSet([(seq, seq)])))
    taken, named = 0, RangeSet()
    while gaps:
        part = gaps.take(bytes_max=20_000)
        assert sum(gap.ByteSize() for gap in part) <= 20_000
        for gap in part:
            named.update(RangeSet((r.first, r.last) for r in gap.blocks))
        taken += 1
    assert taken > 1
    assert list(named.numbers()) == list(range(1, 40_001, 2))
