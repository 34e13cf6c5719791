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
from tests.sim.plant import GOOD, state_of, text_of
from tests.sim.whole import Books, Box, Whole


class Entry(NamedTuple):
    seq: int
    device: str
    tag: str
    time_ns: int
    value: str | None
    quality: int


def check(whole: Whole) -> list[str]:
    """What is wrong; empty: the promise was kept."""
    return [wrong for box in whole.boxes for wrong in _of_box(box, whole)]


def _of_box(box: Box, whole: Whole) -> Iterator[str]:
    sql = whole.receiver.sql
    stored = _stored(sql, box.name)
    for epoch, books in box.runs.items():
        entries = stored.pop(epoch, [])
        yield from (f"{box.name} run {epoch >> 32}: {w}" for w in _values(entries, books))
        yield from (f"{box.name} run {epoch >> 32}: {w}" for w in _carried(entries, books))
    yield from (f"{box.name} run {epoch >> 32} never was" for epoch in stored)
    yield from (f"{box.name} {wrong}" for wrong in _blocks(box, whole))


def _stored(sql: sqlite3.Connection, gateway: str) -> dict[int, list[Entry]]:
    """The entries of each epoch; each block's from the payload that it was taken from."""
    before = [message for whose, message in opening(sql) if whose in ("", gateway)]
    found: dict[int, list[Entry]] = defaultdict(list)
    held: dict[int, set[int]] = defaultdict(set)
    blocks = "SELECT payload, seq FROM blocks WHERE gateway = ?"
    for payload, seq in sql.execute(blocks, (gateway,)):
        held[payload].add(seq)
    for payload, epoch, first_seq, count, compression, content in sql.execute(
        "SELECT payload, epoch, first_seq, blocks, compression, content FROM payloads"
        " WHERE gateway = ?",
        (gateway,),
    ):
        kind = pb.Compression.ValueType(compression)
        if count:
            one = pb.Bundle(epoch=epoch, first_seq=first_seq, compression=kind, payload=content)
            message = pb.StreamRequest(bundle=one)
        else:
            alone = pb.Block(epoch=epoch, seq=first_seq, compression=kind, payload=content)
            message = pb.StreamRequest(block=alone)
        for seq, device, tag, time_ns, _, value, quality in short_reader().read([*before, message]):
            if seq in held[payload]:
                found[epoch].append(Entry(seq, device, tag, time_ns, value, quality))
    return found


def _tick(entry: Entry, books: Books) -> tuple[int, int]:
    """The group, and the tick: rows are late by less than a period."""
    group = int(entry.device[1:]) + 1
    period_ns = books.plant.plans[group - 1].period_ns
    return group, (entry.time_ns - books.plant.start_ns) // period_ns


def _values(entries: list[Entry], books: Books) -> Iterator[str]:
    """Every entry says what the plant showed, once, in the block that took its tick."""
    seen: set[tuple[int, int, str]] = set()
    of_block = {
        (group, tick): seq
        for seq, taken in books.blocks.items()
        for group, first, until in taken
        for tick in range(first, until)
    }
    for entry in entries:
        group, tick = _tick(entry, books)
        key = (group, tick, entry.tag)
        if key in seen:
            yield f"{key} is stored twice"
        seen.add(key)
        shown = books.plant.rows.get((group, tick))
        if shown is None:
            yield f"{key} was never shown"
            continue
        if of_block.get((group, tick)) != entry.seq:
            yield f"{key} is in block {entry.seq}, not {of_block.get((group, tick))}"
        quality, noise = shown
        expected = {
            "tick": str(tick), "state": str(state_of(tick)), "program": text_of(tick).decode(),
        }  # fmt: skip
        if entry.quality != quality:
            yield f"{key} has quality {entry.quality}, not {quality}"
        elif quality != GOOD and entry.value is not None:
            yield f"{key} is bad and has a value"
        elif quality == GOOD and entry.tag == "noise":
            if abs(float(entry.value or "nan") - noise) > 1e-6:
                yield f"{key} is {entry.value}, not {noise}"
        elif quality == GOOD and entry.value != expected[entry.tag]:
            yield f"{key} is {entry.value}, not {expected[entry.tag]}"


def _carried(entries: list[Entry], books: Books) -> Iterator[str]:
    """A tag that is reported on change: its last entry holds on, as far as all ticks are held."""
    held = {entry.seq for entry in entries}
    state = {_tick(e, books): e for e in entries if e.tag == "state"}
    carried: dict[int, str | None] = {}
    expected_first: dict[int, int] = {}
    for seq in sorted(books.blocks):
        for group, first, until in books.blocks[seq]:
            if first == until:
                continue
            if expected_first.get(group, 0) != first or seq not in held:
                carried.pop(group, None)  # ticks that are in no block
            expected_first[group] = until
            if seq not in held:
                continue
            for tick in range(first, until):
                entry = state.get((group, tick))
                if entry is not None:
                    carried[group] = entry.value
                shown = books.plant.rows.get((group, tick))
                if shown is None:
                    continue
                if group not in carried:  # not known since a loss
                    if seq in books.after_loss or seq == 1:
                        yield f"state of group {group} is not said at tick {tick} of block {seq}"
                elif shown[0] == GOOD and carried[group] != str(state_of(tick)):
                    yield f"state of group {group} at tick {tick} reads as {carried[group]}"


def _broken_at(sql: sqlite3.Connection, name: str) -> int:
    """Where the chain of runs is broken: of that run and those before it nobody can know.

    One that is named and is not there, or the one before a run whose first block is not there.
    """
    absent = max((run for gateway, run, _ in absent_runs(sql) if gateway == name), default=0)
    for (epoch,) in sql.execute(
        "SELECT epoch FROM epochs e WHERE gateway = ? AND NOT EXISTS (SELECT 1 FROM begins b"
        " WHERE b.gateway = e.gateway AND b.epoch = e.epoch)",
        (name,),
    ):
        absent = max(absent, epoch - 1)
    return absent


def _blocks(box: Box, whole: Whole) -> Iterator[str]:
    """Every sealed block is stored, under a gap, or still on the living box; runs have an end.

    What the platform lost with a store that was put back is known to a box only as long as it
    remembers the acknowledgements; after that the platform's own books say that it is missing.
    """
    sql = whole.receiver.sql
    missing = {
        book["epoch"]: book["missing_blocks"]
        for book in audit.epochs(sql)
        if book["gateway"] == box.name
    }
    absent = _broken_at(sql, box.name)
    gone: dict[int, RangeSet] = defaultdict(RangeSet)
    after: dict[int, int] = {}
    for epoch, first, last in sql.execute(
        "SELECT epoch, first, last FROM gap_blocks JOIN gaps USING (gap) WHERE gateway = ?",
        (box.name,),
    ):
        gone[epoch].add(first, last)
    for epoch, after_seq in sql.execute(
        "SELECT epoch, after_seq FROM gaps WHERE gateway = ? AND count_unknown", (box.name,)
    ):
        after[epoch] = min(after.get(epoch, after_seq), after_seq)
    stored: dict[int, RangeSet] = defaultdict(RangeSet)
    for epoch, seq in sql.execute("SELECT epoch, seq FROM blocks WHERE gateway = ?", (box.name,)):
        stored[epoch].add(seq, seq)
    closed = {
        epoch
        for (epoch,) in sql.execute(
            "SELECT epoch FROM epochs WHERE gateway = ? AND closed", (box.name,)
        )
    }
    waiting = box.buffer.ledger.unsettled(type(box.buffer.ledger.pending)())
    for _, _, gap in waiting:
        for part in gap.blocks:
            gone[gap.epoch].add(part.first, part.last)
    for epoch, books in box.runs.items():
        is_now = epoch == box.buffer.epoch
        live = box.buffer.index.epoch(epoch).live if is_now else RangeSet()
        for seq in books.blocks:
            if seq in stored[epoch] or seq in gone[epoch] or seq in live:
                continue
            told = missing.get(epoch) or epoch <= absent
            if told and (box.name, epoch, seq) in whole.taken_back:
                continue
            if seq <= after.get(epoch, 1 << 60):
                yield f"block {epoch >> 32}/{seq} is nowhere"
        if (
            not is_now
            and epoch not in closed
            and epoch > absent
            and (books.blocks or stored[epoch])
        ):
            yield f"run {epoch >> 32} has no end"
