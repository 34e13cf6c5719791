"""Entries of the store by device, tag and time, found by index: no payload is opened in vain.

The ticks of a group tell their times, so the index of runs by tick is one by time too: a row is
late by no more than `series` says, and no run is longer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.chain import Run
from ingest.clock import BootClock, epoch_clock
from ingest.decode import between, entries, event_times, row_times
from ingest.payload import decompress
from ingest.sorter import Sorter

#: Parsed payloads and tag sets at hand: rows of one payload come together.
_PAYLOADS_CACHED = 2
_TAG_SETS_CACHED = 256
_FAR = 1 << 62
#: A value that is reported on change is said again within this time.
_CARRIED_NS = 3600 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows; None: all. `start_ns` belongs to the range, `end_ns` does not."""

    gateway: str | None = None
    device: str | None = None
    tag: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None

    def takes(self, time_ns: int) -> bool:
        return (self.start_ns is None or self.start_ns <= time_ns) and (
            self.end_ns is None or time_ns < self.end_ns
        )


class Sample(NamedTuple):
    """One tag's entry. `value` is None when its quality is bad; `uncertain`: its time is."""

    device: str
    tag: str
    time_ns: int
    uncertain: bool
    source_time_ns: int
    value: str | None
    quality: int


class _Series(NamedTuple):
    grp: int
    device: str
    period_ns: int
    zero_ns: int | None
    ticks_max: int
    early_ns: int
    late_ns: int
    events_ns_max: int
    tag_set: bytes


class _Piece(NamedTuple):
    """Some ticks of a run, or events of a part of it (`part` >= 0), of a payload."""

    payload: int
    run: int
    part: int
    first: int
    size: int
    grp: int


class Reader:
    """Reads one state of a store. Whatever raises sqlite3.Error, PayloadError or DecodeError here
    is a store that the disk damaged."""

    def __init__(self, sql: sqlite3.Connection) -> None:
        self._sql = sql
        self._open = lru_cache(_PAYLOADS_CACHED)(self._read_payload)
        self.tags = lru_cache(_TAG_SETS_CACHED)(self._read_tags)

    def samples(self, gateway: str, selection: Selection) -> Iterator[Sample]:
        """The selected entries of a gateway, epoch by epoch, payload by payload."""
        for (epoch,) in self._sql.execute(
            "SELECT epoch FROM epochs WHERE gateway = ? ORDER BY epoch", (gateway,)
        ).fetchall():
            series = {
                one.grp: one
                for one in self._series(gateway, epoch, selection.device)
                if selection.tag is None
                or any(tag.name == selection.tag for tag in self.tags(one.tag_set))
            }
            if series:
                clock = epoch_clock(self._sql, gateway, epoch)
                yield from self._of_epoch(gateway, epoch, series, clock, selection)

    def latest(self, run: Run, device: str | None, tag: str | None) -> Iterator[Sample]:
        """The newest entry of each tag of a run's groups, not older than an hour before the newest
        tick of its group."""
        for one in self._series(run.gateway, run.epoch, device):
            left = {one_tag.name for one_tag in self.tags(one.tag_set)}
            left = left if tag is None else left & {tag}
            until: int | None = None
            for piece in self._pieces_backwards(run.gateway, run.epoch, one):
                newest = self._newest(piece, one, run.clock, left)
                until = until or max((s.time_ns for s in newest), default=0) - _CARRIED_NS
                left -= {sample.tag for sample in newest}
                yield from newest
                if not left or (newest and newest[0].time_ns < until):
                    break

    def _newest(
        self, piece: _Piece, series: _Series, clock: BootClock, tags: set[str]
    ) -> list[Sample]:
        found: dict[str, Sample] = {}
        for sample in self._of_piece(piece, series, clock, Selection()):
            if sample.tag in tags:
                found[sample.tag] = sample  # in order of time
        return list(found.values())

    def _pieces_backwards(self, gateway: str, epoch: int, one: _Series) -> Iterator[_Piece]:
        """Those of ticks, the newest first, then those of events; an hour's, and some more."""
        name = (gateway, epoch, one.grp)
        ticks_back = _CARRIED_NS // max(one.period_ns, 1)
        (last,) = self._sql.execute(
            "SELECT coalesce(max(first_tick), 0) FROM runs WHERE gateway = ? AND epoch = ?"
            " AND grp = ? AND rows > 0",
            name,
        ).fetchone()
        for payload, run, tick, ticks in self._sql.execute(
            "SELECT payload, run, first_tick, ticks FROM runs WHERE gateway = ? AND epoch = ?"
            " AND grp = ? AND rows > 0 AND first_tick >= ? ORDER BY first_tick DESC",
            (*name, last - ticks_back),
        ):
            yield _Piece(payload, run, -1, tick, ticks, one.grp)
        for payload, run, part, number, count in self._sql.execute(
            "SELECT payload, run, part, first, count FROM events WHERE gateway = ? AND epoch = ?"
            " AND grp = ? AND last_ns >= (SELECT max(last_ns) FROM events WHERE gateway = ?"
            " AND epoch = ? AND grp = ?) - ? ORDER BY first DESC",
            (*name, *name, _CARRIED_NS),
        ):
            yield _Piece(payload, run, part, number, count, one.grp)

    def _series(self, gateway: str, epoch: int, device: str | None) -> Iterator[_Series]:
        for row in self._sql.execute(
            "SELECT grp, s.device, s.period_ns, zero_ns, ticks_max, early_ns, late_ns,"
            " events_ns_max, tag_set FROM series s JOIN groups USING (gateway, epoch, grp)"
            " WHERE gateway = ?1 AND epoch = ?2 AND (?3 IS NULL OR s.device = ?3)",
            (gateway, epoch, device),
        ):
            yield _Series(*row)

    def _of_epoch(
        self, gateway: str, epoch: int, series: dict[int, _Series], clock: BootClock,
        selection: Selection,
    ) -> Iterator[Sample]:  # fmt: skip
        sorter = Sorter(len(_Piece._fields))
        low, high = clock.boot_range(selection.start_ns, selection.end_ns)
        try:
            for one in series.values():
                sorter.add(self._pieces(gateway, epoch, one, low, high))
            for row in sorter.sorted(0, 1, 2, 3):
                piece = _Piece(*row)
                yield from self._of_piece(piece, series[piece.grp], clock, selection)
        finally:
            sorter.close()

    def _pieces(
        self, gateway: str, epoch: int, one: _Series, low_ns: int, high_ns: int
    ) -> Iterator[_Piece]:
        """Those with entries between two boot times, and some around them."""
        first, last = -_FAR, _FAR
        if one.zero_ns is not None and one.period_ns:
            first = (low_ns - one.late_ns - one.zero_ns) // one.period_ns - one.ticks_max
            last = (high_ns - one.early_ns - one.zero_ns) // one.period_ns + 1
        for payload, run, tick, ticks in self._sql.execute(
            "SELECT payload, run, first_tick, ticks FROM runs WHERE gateway = ? AND epoch = ?"
            " AND grp = ? AND rows > 0 AND first_tick BETWEEN ? AND ?",
            (gateway, epoch, one.grp, max(first, -_FAR), min(last, _FAR)),
        ):
            yield _Piece(payload, run, -1, tick, ticks, one.grp)
        for payload, run, part, number, count in self._sql.execute(
            "SELECT payload, run, part, first, count FROM events WHERE gateway = ? AND epoch = ?"
            " AND grp = ? AND first_ns BETWEEN ? AND ?",
            (gateway, epoch, one.grp, max(low_ns - one.events_ns_max, -_FAR), min(high_ns, _FAR)),
        ):
            yield _Piece(payload, run, part, number, count, one.grp)

    # ---- Payloads ---------------------------------------------------------------------------

    def _read_payload(self, payload: int) -> pb.BlockPayload | pb.BundlePayload | None:
        """None: it was let go."""
        blocks, compression, size, content = self._sql.execute(
            "SELECT blocks, compression, size, content FROM payloads WHERE payload = ?", (payload,)
        ).fetchone()
        if content is None:
            return None
        kind = pb.BundlePayload if blocks else pb.BlockPayload
        return kind.FromString(decompress(compression, content, size))

    def _read_tags(self, name: bytes) -> tuple[pb.Tag, ...]:
        (content,) = self._sql.execute(
            "SELECT content FROM tag_sets WHERE tag_set = ?", (name,)
        ).fetchone()
        return tuple(pb.TagSetContent.FromString(content).tags)

    def _of_piece(
        self, piece: _Piece, series: _Series, clock: BootClock, selection: Selection
    ) -> Iterator[Sample]:
        payload = self._open(piece.payload)
        if payload is None:
            return
        run = payload.runs[piece.run]
        tags = self.tags(series.tag_set)
        if piece.part < 0:
            numbers, boot_times = row_times(run, series.period_ns)
            columns = list(zip(tags, run.columns, strict=True))
            parts = run.parts
        else:
            events = run.events[piece.part]
            numbers, boot_times = event_times(run, events)
            columns = [(tags[one.tag], one.column) for one in events.columns]
            parts = None
        begin, end = between(numbers, piece.first, piece.size)
        moments = [clock.moment(time) for time in boot_times[begin:end]]
        for tag, column in columns:
            if selection.tag not in (None, tag.name):
                continue
            for row, source_ns, value, quality in entries(tag, column, len(numbers), parts or ()):
                if begin <= row < end and selection.takes(moments[row - begin].utc_ns):
                    yield Sample(
                        series.device, tag.name, *moments[row - begin], source_ns, value, quality
                    )
