"""The fewest requests that read given stretches.

Theory of operation. A request takes a round trip and a scan of the CPU, whatever it asks; so few of
them matter, and bytes do not. It has room for some items and for some bytes (`Room`). An item may
span several stretches and the gaps between them: that saves an item and its head, and costs the
gap. A stretch is never cut: a value read in two requests could be torn.

This is bin packing in two sizes, so: a lower bound (all bytes by the cheapest items, all items by
the longest ones); then ways that come close, from items as short as can be to items as long as can
be, and each stretch by itself: packed in order with the last one cut to fill its request, the
largest first, and each in the first request that has room. Whoever reaches the bound is the best
there is. Else, of up to `SEARCHED` stretches, every way to share them
out is tried, which finds the fewest; of more the best way found is at most a request or two above
the bound.

Pure and deterministic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain

from drivers.s7.stretch import ITEM_HEAD, Room, Stretch

#: All ways to share out so many stretches are 4,140.
SEARCHED = 8
#: The best cuts of a run are worked out up to so many stretches; longer ones are cut when full.
_DRAWN = 128
#: What an item is worth beyond its bytes: from nothing to everything.
_WORTHS = (0, 4, 12, 28, 60, 1 << 20)

Row = tuple[Stretch, ...]  # one area, sorted, none inside another, no hole between
Requests = list[list[Stretch]]


def pack(rows: Sequence[Row], room: Room) -> Requests:
    """The items of each request; every stretch of `rows` lies whole in one of them. Items of a
    request are in the order of the rows. Every stretch must fit: `size` <= `room.longest`.
    """
    if not rows:
        return []
    least = _bound(rows, room)
    best: Requests | None = None
    singly: list[Row] = [(one,) for row in rows for one in row]
    cuts = ([run for row in rows for run in _runs(row, worth, room)] for worth in _WORTHS)
    for runs in chain(cuts, [singly]):
        for way in (_in_order, _largest_first, _first_fit):
            found = way(runs, room)
            if best is None or _worse(best, found):
                best = found
        if best is not None and len(best) == least:
            return best
    assert best is not None
    if sum(map(len, rows)) <= SEARCHED:
        best = _search([(n, one) for n, row in enumerate(rows) for one in row], room, best)
    return best


def rows_of(wanted: Iterable[Stretch], holes: Sequence[Stretch] = ()) -> list[Row]:
    """`wanted` in rows: by area, without those that lie inside another, cut at holes. What touches
    a hole is a row of its own, so that its neighbours are read without it.
    """
    alone = sorted({one for one in wanted if any(hole.meets(one) for hole in holes)})
    rows: list[list[Stretch]] = []
    for one in sorted(set(wanted) - set(alone), key=lambda s: (s.area, s.db, s.first, -s.end)):
        last = rows[-1][-1] if rows else None
        if last is not None and last.covers(one):
            continue
        if last is None or last[:2] != one[:2] or _holed(last, one, holes):
            rows.append([])
        rows[-1].append(one)
    return [tuple(row) for row in rows] + [(one,) for one in alone]


def _holed(left: Stretch, right: Stretch, holes: Sequence[Stretch]) -> bool:
    both = span((left, right))
    return any(hole.meets(both) for hole in holes)


def span(run: Sequence[Stretch]) -> Stretch:
    """The item that reads all of a run, which is sorted."""
    first, last = run[0], run[-1]
    return Stretch(first.area, first.db, first.first, last.end)


def _worse(best: Requests, found: Requests) -> bool:
    def price(requests: Requests) -> tuple[int, int]:
        return len(requests), sum(item.cost for items in requests for item in items)

    return price(found) < price(best)


def _bound(rows: Sequence[Row], room: Room) -> int:
    """No way takes fewer requests."""
    cheapest = [span(run) for row in rows for run in _runs(row, 0, room)]
    longest = [run for row in rows for run in _runs(row, _WORTHS[-1], room)]
    drawn = all(len(row) <= _DRAWN for row in rows)
    cost = sum(item.cost for item in cheapest)
    if not drawn:  # items were cut when full: of those, only the bytes themselves are certain
        cost = sum(_bytes(row) for row in rows)
    return max(-(-cost // room.bytes), -(-len(longest) // room.items), 1)


def _bytes(row: Row) -> int:
    total, reach = 0, -1
    for one in row:
        total += (one.end - max(one.first, reach)) * (one.size // (one.end - one.first))
        reach = one.end
    return total


def _runs(row: Row, worth: int, room: Room) -> Iterator[Row]:
    """A row cut into runs, an item each: the least of bytes + `worth` x items."""
    begin = 0
    unit = row[0].size // (row[0].end - row[0].first)
    for at in range(1, len(row)):
        # Such a gap is dearer than an item with its head and a fill byte on either side.
        if (row[at].first - row[at - 1].end) * unit > worth + ITEM_HEAD + 2:
            yield from _cut(row[begin:at], worth, room)
            begin = at
    yield from _cut(row[begin:], worth, room)


@lru_cache(maxsize=1024)
def _cut(row: Row, worth: int, room: Room) -> tuple[Row, ...]:
    if len(row) > _DRAWN:
        return _cut_when_full(row, room)
    best: list[tuple[int, int]] = [(0, 0)]  # price of the first j stretches, where the last begins
    for end in range(1, len(row) + 1):
        ways = []
        for begin in range(end - 1, -1, -1):
            item = span(row[begin:end])
            if item.size > room.longest:
                break
            ways.append((best[begin][0] + item.cost + worth, begin))
        best.append(min(ways))
    runs: list[Row] = []
    end = len(row)
    while end:
        runs.append(row[best[end][1] : end])
        end = best[end][1]
    return tuple(reversed(runs))


def _cut_when_full(row: Row, room: Room) -> tuple[Row, ...]:
    runs: list[Row] = []
    begin = 0
    for at in range(1, len(row) + 1):
        if at == len(row) or span((row[begin], row[at])).size > room.longest:
            runs.append(row[begin:at])
            begin = at
    return tuple(runs)


def _in_order(runs: Sequence[Row], room: Room) -> Requests:
    """One request after the other; what does not fit whole fills it with what does of it."""
    requests: Requests = [[]]
    left, items = room.bytes, room.items
    for run in runs:
        rest = run
        while rest:
            fits = _prefix(rest, left) if items else 0
            if not fits:
                requests.append([])
                left, items = room.bytes, room.items
                continue
            item = span(rest[:fits])
            requests[-1].append(item)
            left, items = left - item.cost, items - 1
            rest = rest[fits:]
    return requests


def _prefix(run: Row, left: int) -> int:
    """How many of the run's stretches one item of `left` bytes holds."""
    low, high = 0, len(run)
    while low < high:
        middle = (low + high + 1) // 2
        if span(run[:middle]).cost <= left:
            low = middle
        else:
            high = middle - 1
    return low


def _largest_first(runs: Sequence[Row], room: Room) -> Requests:
    order = sorted(range(len(runs)), key=lambda n: -span(runs[n]).cost)
    open_: list[tuple[int, list[int]]] = []  # bytes left, runs
    full: list[list[int]] = []
    for number in order:
        cost = span(runs[number]).cost
        for at, (left, held) in enumerate(open_):
            if cost <= left:
                held.append(number)
                open_[at] = (left - cost, held)
                if len(held) == room.items or left - cost <= ITEM_HEAD:
                    full.append(open_.pop(at)[1])
                break
        else:
            open_.append((room.bytes - cost, [number]))
            if room.items == 1:
                full.append(open_.pop()[1])
    requests = sorted(sorted(held) for held in [*full, *(held for _, held in open_)])
    return [[span(runs[number]) for number in held] for held in requests]


def _first_fit(runs: Sequence[Row], room: Room) -> Requests:
    """Each in the first request that has room: never more than what a simple client asks."""
    requests: list[tuple[int, list[Stretch]]] = []  # bytes left, items
    for item in map(span, runs):
        for at, (left, items) in enumerate(requests):
            if item.cost <= left and len(items) < room.items:
                items.append(item)
                requests[at] = (left - item.cost, items)
                break
        else:
            requests.append((room.bytes - item.cost, [item]))
    return [items for _, items in requests]


Placed = tuple[int, Stretch]  # with the number of its row


def _search(stretches: Sequence[Placed], room: Room, best: Requests) -> Requests:
    """Every way to share the stretches out that takes fewer requests than `best`."""
    shares: list[list[Placed]] = []

    def place(at: int) -> None:
        nonlocal best
        if len(shares) >= len(best):
            return
        if at == len(stretches):
            best = [list(_fit(tuple(share), room) or ()) for share in shares]
            return
        for share in [*shares]:
            share.append(stretches[at])
            if _fit(tuple(share), room) is not None:
                place(at + 1)
            share.pop()
        if len(shares) + 1 < len(best):
            shares.append([stretches[at]])
            place(at + 1)
            shares.pop()

    place(0)
    return best


@lru_cache(maxsize=1 << 12)
def _fit(share: tuple[Placed, ...], room: Room) -> tuple[Stretch, ...] | None:
    """The cheapest items of one request that read the share; None where it has no room."""
    ways: dict[int, tuple[int, tuple[Stretch, ...]]] = {0: (0, ())}  # by number of items
    rows: dict[int, list[Stretch]] = {}
    for number, one in share:
        rows.setdefault(number, []).append(one)
    for row in rows.values():
        added = _covers(tuple(row), room)
        joined: dict[int, tuple[int, tuple[Stretch, ...]]] = {}
        for n, (cost, items) in ways.items():
            for m, (more, others) in added.items():
                if n + m <= room.items and cost + more <= room.bytes:
                    found = (cost + more, items + others)
                    joined[n + m] = min(joined.get(n + m, found), found)
        ways = joined
    return min(ways.values())[1] if ways else None


def _covers(row: Row, room: Room) -> dict[int, tuple[int, tuple[Stretch, ...]]]:
    """The cheapest way to read a row by each number of items."""
    if not row:
        return {0: (0, ())}
    found: dict[int, tuple[int, tuple[Stretch, ...]]] = {}
    for first in range(1, len(row) + 1):
        item = span(row[:first])
        if item.size > room.longest:
            break
        for n, (cost, items) in _covers(row[first:], room).items():
            way = (item.cost + cost, (item, *items))
            found[n + 1] = min(found.get(n + 1, way), way)
    return found
