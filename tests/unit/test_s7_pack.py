"""The packing against the definition of its task: the fewest requests, found by trying all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.s7.address import Area
from drivers.s7.pack import pack, rows_of
from drivers.s7.stretch import ANSWER_HEAD, ITEM, JOB_HEAD, Room, Stretch, room_of


def partitions(items: Sequence[Stretch]) -> Iterator[list[list[Stretch]]]:
    """Every way to share the items out, whatever their order."""
    if not items:
        yield []
        return
    for rest in partitions(items[1:]):
        yield [[items[0]], *rest]
        for i in range(len(rest)):
            yield [*rest[:i], [items[0], *rest[i]], *rest[i + 1 :]]


def fits(share: Sequence[Stretch], room: Room, holes: Sequence[Stretch]) -> bool:
    """Whether one request reads the share, by any way to merge neighbours."""
    row = sorted(share, key=lambda s: (s[:2], s.first))
    for cuts in range(len(row)):
        for at in combinations(range(1, len(row)), cuts):
            items = []
            for begin, end in pairwise((0, *at, len(row))):
                run = row[begin:end]
                if len({s[:2] for s in run}) > 1:
                    break
                item = Stretch(*run[0][:3], max(s.end for s in run))
                if len(run) > 1 and any(hole.meets(item) for hole in holes):
                    break
                items.append(item)
            else:
                data = sum(4 + item.size + item.size % 2 for item in items)
                if len(items) <= room.items and data <= room.bytes:
                    return True
    return False


def brute_force(wanted: Sequence[Stretch], room: Room, holes: Sequence[Stretch]) -> int:
    return min(
        len(shares)
        for shares in partitions(wanted)
        if all(fits(share, room, holes) for share in shares)
    )


@st.composite
def stretches(draw: st.DrawFn, longest: int, reach: int, most: int) -> list[Stretch]:
    found = []
    for _ in range(draw(st.integers(1, most))):
        area: Area = draw(st.sampled_from(["DB", "DB", "M", "T"]))
        first = draw(st.integers(0, reach))
        size = draw(st.integers(1, longest // 2 if area == "T" else longest))
        found.append(Stretch(area, 1 if area == "DB" else 0, first, first + size))
    return found


rooms = st.builds(Room, st.integers(1, 4), st.integers(24, 48))


@settings(deadline=None, max_examples=300)
@given(stretches(18, 50, 6), rooms, st.lists(st.integers(0, 60), max_size=2))
def test_requests_when_any_few_stretches_then_as_few_as_brute_force_finds(
    wanted: list[Stretch], room: Room, lost: list[int]
) -> None:
    holes = [Stretch("DB", 1, at, at + 1) for at in lost]
    found = pack(rows_of(wanted, holes), room)
    assert len(found) == brute_force(sorted(set(wanted)), room, holes)
    check(found, wanted, room)
    touched = [item for items in found for item in items if any(h.meets(item) for h in holes)]
    assert set(touched) <= set(wanted), "an item bridges a hole"


#: A set for which packing runs of stretches takes a request more than packing each by itself.
SINGLY = [
    Stretch(area, int(area == "DB"), first, end)
    for area, first, end in (
        ("M", 957, 974), ("M", 395, 413), ("M", 390, 451), ("T", 447, 494), ("M", 45, 68),
        ("DB", 49, 73), ("T", 398, 429), ("DB", 644, 724), ("DB", 515, 543), ("T", 217, 274),
        ("DB", 578, 633), ("M", 991, 1050),
    )
]  # fmt: skip


@settings(deadline=None, max_examples=100)
@given(stretches(60, 3000, 120), st.sampled_from([240, 480, 960]))
@example(SINGLY, 240)
def test_requests_when_any_stretches_then_within_both_limits_and_complete(
    wanted: list[Stretch], pdu: int
) -> None:
    found = pack(rows_of(wanted), room_of(pdu))
    check(found, wanted, room_of(pdu))
    for items in found:
        assert JOB_HEAD + ITEM * len(items) <= pdu
        assert ANSWER_HEAD + sum(4 + item.size + item.size % 2 for item in items) <= pdu
    # One by one in order, each in the first request that has room: what a simple client does.
    simple: list[list[Stretch]] = []
    room = room_of(pdu)
    for one in sorted({s for row in rows_of(wanted) for s in row}):
        for held in simple:
            if len(held) < room.items and sum(s.cost for s in held) + one.cost <= room.bytes:
                held.append(one)
                break
        else:
            simple.append([one])
    assert len(found) <= len(simple)


def check(found: list[list[Stretch]], wanted: Sequence[Stretch], room: Room) -> None:
    for items in found:
        assert items and len(items) <= room.items
        assert sum(item.cost for item in items) <= room.bytes
    everything = [item for items in found for item in items]
    assert all(any(item.covers(one) for item in everything) for one in wanted)
    assert len(everything) == len(set(everything)), "nothing is read twice"


@pytest.mark.parametrize(("pdu", "items"), [(240, 19), (480, 20), (960, 20)])
def test_room_when_bits_of_forty_blocks_then_the_request_fits_as_well(pdu: int, items: int) -> None:
    """Field report: planners that counted the answer only sent 276 bytes at PDU 240."""
    wanted = [Stretch("DB", n, 0, 1) for n in range(1, 41)]
    found = pack(rows_of(wanted), room_of(pdu))
    assert max(map(len, found)) <= items
    assert len(found) == -(-40 // items)


def test_requests_when_ten_thousand_tags_in_one_block_then_as_many_as_their_bytes_need() -> None:
    wanted = [Stretch("DB", 1, 4 * n, 4 * n + 4) for n in range(10_000)]
    found = pack(rows_of(wanted), room_of(960))
    assert len(found) == -(-40_000 // 940)
    check(found, wanted, room_of(960))


def test_requests_when_tags_are_scattered_in_a_block_then_the_gaps_are_read_along() -> None:
    wanted = [Stretch("DB", 5, 10 * n, 10 * n + 1) for n in range(40)]
    assert pack(rows_of(wanted), room_of(480)) == [[Stretch("DB", 5, 0, 391)]]
