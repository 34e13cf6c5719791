"""The delivery promise, held against the books of a whole simulated chain.

What is stored is read by SQL and by the short reader: none of the code under test judges itself.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer.ranges import RangeSet
from ingest import audit
from ingest.chain import absent_runs
from tests.kit.books import opening
from tests.kit.short import short_reader
from tests.sim import plant
from tests.sim.box import Books, Box
from tests.sim.plant import GOOD, METER, PUSHER
from tests.sim.world import World

#: Of a block that is gone for one of these, its ticks and values are counted.
COUNTED = frozenset(
    {
        pb.GAP_REASON_MEMORY_FULL, pb.GAP_REASON_EVICTED_OLDEST, pb.GAP_REASON_REFUSED_NEWEST,
        pb.GAP_REASON_EXPIRED, pb.GAP_REASON_REJECTED,
    }
)  # fmt: skip
#: A bit a tag of a polled device.
TAGS = {"tick": 1, "state": 2, "program": 4, "noise": 8}
EVERY_ROW = TAGS["tick"] | TAGS["program"] | TAGS["noise"]


class Entry(NamedTuple):
    seq: int
    device: str
    tag: str
    time_ns: int
    source_ns: int
    value: str | None
    quality: int


def check(world: World) -> list[str]:
    """What is wrong; empty: the promise was kept."""
    receiver = world.receiver
    wrong = list(receiver.wrong)
    # Two bits may hit both copies of a catalog.
    if receiver.without_catalog and sum(box.rotten for box in world.boxes) < 2:
        wrong.append(f"{receiver.without_catalog} blocks before their catalog")
    return wrong + [wrong for box in world.boxes for wrong in _of_box(box, world)]


def _of_box(box: Box, world: World) -> Iterator[str]:
    sql = world.receiver.sql
    stored = _stored(sql, box.name)
    runs = dict(box.runs)
    for clone in world.clones:
        if clone.name == box.name:
            runs.update(clone.runs)
    for epoch, books in runs.items():
        entries = stored.pop(epoch, [])
        held = dict(
            sql.execute(
                "SELECT seq, check_byte FROM blocks WHERE gateway = ? AND epoch = ?",
                (box.name, epoch),
            )
        )
        for wrong in _of_run(entries, held, books):
            yield f"{box.name} run {epoch >> 32}: {wrong}"
    yield from (f"{box.name} run {epoch >> 32} never was" for epoch in stored)
    yield from (f"{box.name} {wrong}" for wrong in _Blocks(box, world).check())


def _stored(sql: sqlite3.Connection, gateway: str) -> dict[int, list[Entry]]:
    """The entries of each epoch; each block's from the payload that it was taken from."""
    held: dict[int, set[int]] = defaultdict(set)
    for payload, seq in sql.execute(
        "SELECT payload, seq FROM blocks WHERE gateway = ?", (gateway,)
    ):
        held[payload].add(seq)
    found: dict[int, list[Entry]] = {}
    now: list[Entry] = []
    seqs: set[int] = set()

    def messages() -> Iterator[pb.StreamRequest]:
        nonlocal now, seqs
        yield from (message for whose, message in opening(sql) if whose in ("", gateway))
        for payload, epoch, first_seq, count, compression, content in sql.execute(
            "SELECT payload, epoch, first_seq, blocks, compression, content FROM payloads"
            " WHERE gateway = ?",
            (gateway,),
        ):
            kind = pb.Compression.ValueType(compression)
            now, seqs = found.setdefault(epoch, []), held[payload]
            if count:
                one = pb.Bundle(epoch=epoch, first_seq=first_seq, compression=kind, payload=content)
                yield pb.StreamRequest(bundle=one)
            else:
                alone = pb.Block(epoch=epoch, seq=first_seq, compression=kind, payload=content)
                yield pb.StreamRequest(block=alone)

    for row in short_reader().read(messages()):
        if row[0] in seqs:  # else it came again, and lies in another payload
            now.append(Entry(*row))
    return found


def _of_run(entries: list[Entry], held: dict[int, int], books: Books) -> Iterator[str]:
    """A name has the content that was sealed; every entry says what the plant showed, once, in the
    block that took it; and nothing of a stored block is left out.
    """
    for seq, check_byte in held.items():
        if seq not in books.sealed:
            yield f"block {seq} was never sealed"
            return
        if check_byte != pb.Block.FromString(books.sealed[seq]).payload_crc32c & 0xFF:
            yield f"block {seq} is not what was sealed"
    seen = {group: bytearray(len(rows)) for group, rows in books.plant.rows.items()}
    states: dict[int, dict[int, str | None]] = defaultdict(dict)
    events: set[int] = set()
    for entry in entries:
        if entry.device == PUSHER:
            yield from _event(entry, books, events)
        elif entry.device != METER:
            yield from _value(entry, books, seen, states)
    for seq in held:
        for group, (first, until) in books.blocks[seq].items():
            if group > books.plant.layout.devices:
                continue
            rows, found = books.plant.rows[group], seen[group]
            for tick in range(first, until):
                if rows[tick] and found[tick] & EVERY_ROW != EVERY_ROW:
                    yield f"row {tick} of group {group} is not whole in block {seq}"
        first, until = books.of_events.get(seq, (0, 0))
        for number in range(first, until):
            if books.plant.events[number] is not None and number not in events:
                yield f"event {number} is not in block {seq}"
    yield from _carried(states, set(held), books)


def _value(
    entry: Entry, books: Books, seen: dict[int, bytearray],
    states: dict[int, dict[int, str | None]],
) -> Iterator[str]:  # fmt: skip
    group = int(entry.device[1:]) + 1
    # Rows are late by less than a period.
    tick = (entry.time_ns - books.plant.start_ns) // books.plant.plans[group].period_ns
    rows, bit = books.plant.rows[group], TAGS[entry.tag]
    where = f"{entry.tag} of tick {tick} of group {group}"
    if not 0 <= tick < len(rows) or not rows[tick]:
        yield f"{where} was never shown"
        return
    if seen[group][tick] & bit:
        yield f"{where} is stored twice"
    seen[group][tick] |= bit
    if bit == TAGS["state"]:
        states[group][tick] = entry.value
    if books.ticks[group][tick] != entry.seq:
        yield f"{where} is in block {entry.seq}, not {books.ticks[group][tick]}"
    expected = plant.row(tick).says[entry.tag] if rows[tick] == GOOD else None
    if entry.quality != rows[tick] or entry.value != expected:
        yield f"{where} is {entry.value} ({entry.quality}), not {expected} ({rows[tick]})"


def _event(entry: Entry, books: Books, seen: set[int]) -> Iterator[str]:
    number = int((entry.value or "-1").removeprefix("n"))
    shown = books.plant.events[number] if 0 <= number < len(books.plant.events) else None
    if shown is None:
        yield f"event {number} was never pushed"
        return
    if number in seen:
        yield f"event {number} is stored twice"
    seen.add(number)
    if books.events[number] != entry.seq:
        yield f"event {number} is in block {entry.seq}, not {books.events[number]}"
    if (entry.time_ns, entry.source_ns, entry.tag, entry.value, entry.quality) != (*shown, GOOD):
        yield f"event {number} is {entry}, not {shown}"


def _carried(
    states: dict[int, dict[int, str | None]], held: set[int], books: Books
) -> Iterator[str]:
    """A tag that is reported on change: its last entry holds on, as far as all ticks are held."""
    carried: dict[int, str | None] = {}
    until_known: dict[int, int] = {}
    for seq, groups in books.blocks.items():
        for group, (first, until) in groups.items():
            if group > books.plant.layout.devices:
                continue
            if until_known.get(group, 0) != first or seq not in held:
                carried.pop(group, None)  # ticks that are in no block
            until_known[group] = until
            if seq not in held:
                continue
            said, rows = states[group], books.plant.rows[group]
            for tick in range(first, until):
                if tick in said:
                    carried[group] = said[tick]
                if not rows[tick]:
                    continue
                if group not in carried:  # not known since a loss
                    if seq in books.after_loss or seq == 1:
                        yield f"state of group {group} is not said at tick {tick} of block {seq}"
                elif rows[tick] == GOOD and carried[group] != plant.row(tick).says["state"]:
                    yield f"state of group {group} at tick {tick} reads as {carried[group]}"


class _Blocks:
    """Every sealed block is stored, under a gap, or still on the living box; runs have an end.

    What the platform lost with a store that was put back is known to a box only as long as it
    remembers the acknowledgements; after that the platform's own books say that it is missing.
    """

    def __init__(self, box: Box, world: World) -> None:
        self.box, self.world, self.sql = box, world, world.receiver.sql
        self.books = {
            book["epoch"]: book
            for book in audit.epochs(self.sql, box.name)
            if book["epoch"] in box.runs
        }
        self.gaps = [*self._told()]
        waiting = box.buffer.to_tell.unsettled(type(box.buffer.to_tell.pending)())
        self.gaps += [gap for _, _, gap in waiting]
        self.named: dict[int, RangeSet] = defaultdict(RangeSet)
        self.dropped: dict[int, RangeSet] = defaultdict(RangeSet)  # for other reasons than a crash
        self.after: dict[int, int] = {}
        for gap in self.gaps:
            blocks = RangeSet((r.first, r.last) for r in gap.blocks)
            self.named[gap.epoch].update(blocks)
            if gap.reason != pb.GAP_REASON_CRASH:
                self.dropped[gap.epoch].update(blocks)
            if gap.count_unknown:
                self.after[gap.epoch] = min(self.after.get(gap.epoch, 1 << 60), gap.after_seq)
        self.stored: dict[int, RangeSet] = defaultdict(RangeSet)
        for epoch, seq in self.sql.execute(
            "SELECT epoch, seq FROM blocks WHERE gateway = ?", (box.name,)
        ):
            self.stored[epoch].add(seq, seq)
        self.live = box.buffer.index.epoch(box.buffer.epoch).live

    def _told(self) -> Iterator[pb.Gap]:
        """The gaps in the store. What another machine says of a run ends nothing of it."""
        made = {}
        name = (self.box.name,)
        for gap, epoch, reason, unknown, after in self.sql.execute(
            "SELECT gap, epoch, reason, count_unknown, after_seq FROM gaps"
            " WHERE gateway = ? AND NOT foreign_machine",
            name,
        ):
            made[gap] = pb.Gap(
                epoch=epoch, reason=reason, count_unknown=bool(unknown), after_seq=after
            )
        for kind, columns, table in (
            ("blocks", ("first", "last"), "gap_blocks"),
            ("ticks", ("group", "first_tick", "count"), "gap_ticks"),
            ("events", ("group", "first", "count"), "gap_events"),
        ):
            names = ", ".join("grp" if column == "group" else column for column in columns)
            for gap, *values in self.sql.execute(f"SELECT gap, {names} FROM {table}"):
                if gap in made:
                    getattr(made[gap], kind).add(**dict(zip(columns, values, strict=True)))
        yield from made.values()

    def check(self) -> Iterator[str]:
        if not (self.world.restores or self.box.rotten or self.box.forgotten):
            yield from self._books_even()
        absent = self._broken_at()
        for epoch in self.box.runs:
            yield from self._nowhere(epoch, absent)
        yield from self._durable_kept()
        yield from self._gaps_true()
        yield from self._counted()

    def _broken_at(self) -> int:
        """Where the chain of runs is broken: of that run and those before it nobody can know.

        One that is named and is not there, or the one before a run whose first block is not there.
        """
        runs, name = self.box.runs, self.box.name
        broken = [
            run
            for gateway, run, said_by in absent_runs(self.sql)
            if gateway == name and said_by in runs
        ]
        broken += [
            epoch - 1
            for (epoch,) in self.sql.execute(
                "SELECT epoch FROM epochs e WHERE gateway = ? AND NOT EXISTS (SELECT 1 FROM begins"
                " b WHERE b.gateway = e.gateway AND b.epoch = e.epoch)",
                (name,),
            )
            if epoch in runs
        ]
        return max(broken, default=0)

    def _books_even(self) -> Iterator[str]:
        """Where neither side ever lost what it was told, the platform misses nothing."""
        for epoch, book in self.books.items():
            for what in ("missing", "missing_blocks", "missing_events", "twice"):
                if book[what]:
                    yield f"run {epoch >> 32}: the platform's books say {what}: {book[what]}"

    def _gone(self, epoch: int, seq: int) -> bool:
        return seq in self.named[epoch] or seq > self.after.get(epoch, 1 << 60)

    def _on_box(self, epoch: int, seq: int) -> bool:
        return epoch == self.box.buffer.epoch and seq in self.live

    def _nowhere(self, epoch: int, absent: int) -> Iterator[str]:
        book = self.books.get(epoch)
        if book is None and epoch in self.box.forgotten:
            return  # neither side ever knew of that run
        if book is None and self.box.rotten and epoch <= absent:
            return  # what the box knew of it is damaged, and the next run's first block is lost
        blocks = self.box.runs[epoch].blocks
        for seq in blocks:
            if seq in self.stored[epoch] or self._gone(epoch, seq) or self._on_box(epoch, seq):
                continue
            is_told = (book and book["missing_blocks"]) or epoch <= absent
            if not (is_told and (self.box.name, epoch, seq) in self.world.taken_back):
                yield f"block {epoch >> 32}/{seq} is nowhere"
        is_open = epoch != self.box.buffer.epoch and (book is None or book["open"])
        if is_open and epoch > absent and (blocks or self.stored[epoch]):
            yield f"run {epoch >> 32} has no end"

    def _durable_kept(self) -> Iterator[str]:
        """What the box called durable is stored, or was dropped for a reason that is no crash."""
        if self.box.rotten:
            return  # a damaged block has no name any more: it may stand in a crash gap
        for epoch, seq in sorted(self.box.durable):
            if seq in self.stored[epoch] or seq in self.dropped[epoch] or self._on_box(epoch, seq):
                continue
            # What a platform that was put back had acknowledged to an earlier process, and the box
            # had forgotten, is announced with what the crash took.
            is_told = self._gone(epoch, seq) or self._taken_back(epoch, seq)
            if not (self.world.restores and is_told):
                yield f"block {epoch >> 32}/{seq} was durable and is not stored"

    def _taken_back(self, epoch: int, seq: int) -> bool:
        return (self.box.name, epoch, seq) in self.world.taken_back

    def _gaps_true(self) -> Iterator[str]:
        """What a gap names was sealed, and lies in its blocks."""
        for gap in self.gaps:
            books = self.box.runs.get(gap.epoch)
            if books is None:
                continue
            ticks: dict[int, RangeSet] = defaultdict(RangeSet)
            events = RangeSet()
            for seq in RangeSet((r.first, r.last) for r in gap.blocks).numbers():
                if seq not in books.blocks:
                    yield f"a gap for block {gap.epoch >> 32}/{seq}, never sealed"
                    continue
                for group, (first, until) in books.blocks[seq].items():
                    ticks[group].add(first, until - 1)
                if seq in books.of_events:
                    first, until = books.of_events[seq]
                    events.add(first, until - 1)
            for t in gap.ticks:
                if RangeSet([(t.first_tick, t.first_tick + t.count - 1)]).minus(ticks[t.group]):
                    yield f"a gap of {gap.epoch >> 32} names ticks outside its blocks"
            for e in gap.events:
                if RangeSet([(e.first, e.first + e.count - 1)]).minus(events):
                    yield f"a gap of {gap.epoch >> 32} names values outside its blocks"

    def _counted(self) -> Iterator[str]:
        """What went with a block that was dropped on purpose is counted, tick by tick."""
        if self.box.rotten:
            return  # a damaged block says nothing of itself
        for gap in self.gaps:
            books = self.box.runs.get(gap.epoch)
            if books is None or gap.reason not in COUNTED:
                continue
            ticks: dict[int, RangeSet] = defaultdict(RangeSet)
            for t in gap.ticks:
                ticks[t.group].add(t.first_tick, t.first_tick + t.count - 1)
            events = RangeSet((e.first, e.first + e.count - 1) for e in gap.events)
            for seq in RangeSet((r.first, r.last) for r in gap.blocks).numbers():
                for group, (first, until) in books.blocks[seq].items():
                    if RangeSet([(first, until - 1)]).minus(ticks[group]):
                        yield f"ticks of {gap.epoch >> 32}/{seq} are not counted"
                first, until = books.of_events.get(seq, (0, 0))
                if first < until and RangeSet([(first, until - 1)]).minus(events):
                    yield f"pushed values of {gap.epoch >> 32}/{seq} are not counted"
