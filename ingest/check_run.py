"""One run of a group against its plan: ticks, rows, columns, parts, events."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.catalog import CheckedGroup, Layout
from ingest.check_extra import is_absurd
from ingest.columns import Columns, bad_of
from ingest.decode import integrate
from ingest.facts import Events, Run, Skipped, rows_of_splits
from ingest.refusal import RefusedError, malformed, too_large, unsupported

_COLUMNS_A_STEP = 256
#: What a column costs, beside a tenth for each of its entries.
_COLUMN_UNITS = 3


class RunCheck:
    """Adds run after run; `scans` and `samples` count the rows and entries of each block.

    `blocks`: how many share the payload; 0: it is one block's own, whose runs say no splits.
    """

    def __init__(self, layout: Layout, features: frozenset[int], blocks: int) -> None:
        self.runs: list[Run] = []
        self.events: list[Events] = []
        self.scans = [0] * max(blocks, 1)
        self.samples = [0] * max(blocks, 1)
        self._layout = layout
        self._features = features
        self._columns = Columns(features)
        self._blocks = blocks
        self._total = 0
        self._zero_ns: dict[int, int] = {}
        self._messages = 0

    def add(self, index: int, run: pb.GroupRun, columns: Sequence[pb.Column]) -> Iterator[int]:
        """Yields costs; raises RefusedError. `columns`: the run's; they may stand outside of it."""
        where = f"run {index} (group {run.group})"
        plan = self._layout.groups.get(run.group)
        if plan is None:
            malformed(True, f"{where}: the catalog has no such group")
        assert plan is not None
        if run.ticks:
            yield from self._add_ticks(index, run, columns, plan, where)
        else:
            empty = not (columns or run.late_us or run.skipped or run.parts or run.half_span_us)
            malformed(not empty or not run.events, f"{where}: no ticks")
            malformed(is_absurd(run.first_due_ns), f"{where}: due beyond a hundred years")
        if run.events:
            unsupported(pb.FEATURE_EVENTS not in self._features, f"{where} has pushed values")
            for number, events in enumerate(run.events):
                yield from self._add_events(index, number, run, events, plan)

    # ---- Ticks ------------------------------------------------------------------------------

    def _add_ticks(
        self,
        index: int,
        run: pb.GroupRun,
        columns: Sequence[pb.Column],
        plan: CheckedGroup,
        where: str,
    ) -> Iterator[int]:
        self._check_due(run, plan, where)
        skipped = _skipped(where, run.skipped, run.first_tick, run.first_tick + run.ticks)
        rows = run.ticks - sum(one[1] for one in skipped)
        splits = self._splits(where, run.block_ticks, run.ticks)
        split_rows = rows_of_splits(run.first_tick, splits, skipped)
        for place, count in enumerate(split_rows):
            self.scans[place] += count
        too_large("rows", sum(self.scans), limits.ROWS_MAX)
        early, late = _late_bounds(where, run, rows)
        yield from self._check_columns(run, columns, plan, rows, split_rows, where)
        self.runs.append(
            Run(index, run.group, run.first_tick, splits, skipped, run.first_due_ns,
                plan.period_ns, early * 1000, late * 1000)
        )  # fmt: skip

    def _check_due(self, run: pb.GroupRun, plan: CheckedGroup, where: str) -> None:
        end = run.first_tick + run.ticks
        malformed(plan.period_ns == 0, f"{where}: ticks of a group without a period")
        malformed(end >= limits.INT64_END, f"{where}: ticks {run.ticks}")
        last_due = run.first_due_ns + (run.ticks - 1) * plan.period_ns
        malformed(
            end * plan.period_ns > limits.SPAN_NS_MAX or is_absurd(run.first_due_ns, last_due),
            f"{where}: ticks {run.first_tick}+{run.ticks}, each {plan.period_ns} ns from"
            f" {run.first_due_ns}, reach beyond a hundred years",
        )
        malformed(
            plan.last_tick is not None and end > plan.last_tick + 1,
            f"{where}: ticks up to {end - 1}, but the group ended with {plan.last_tick}",
        )
        zero = run.first_due_ns - run.first_tick * plan.period_ns
        malformed(
            self._zero_ns.setdefault(run.group, zero) != zero,
            f"{where}: tick 0 was due at two times; a new schedule is a new group",
        )

    def _check_columns(
        self, run: pb.GroupRun, columns: Sequence[pb.Column], plan: CheckedGroup, rows: int,
        split_rows: Sequence[int], where: str,
    ) -> Iterator[int]:  # fmt: skip
        kinds, parts = plan.tags.kinds, plan.tags.parts
        if len(columns) != len(kinds) and (rows > 0 or len(columns) > 0):
            malformed(True, f"{where}: {len(columns)} columns for {len(kinds)} tags")
        bad = self._bad_of_parts(run, rows, where)
        check = self._columns.check
        dense = cost = 0
        for place, column in enumerate(columns):
            bad_rows = 0
            if bad:
                part = parts[place] if parts else 0
                malformed(part >= len(bad), f"{where}: column {place} is of part {part}")
                bad_rows = bad[part]
            try:
                entries = check(kinds[place], column, rows, bad_rows, where)
            except RefusedError as error:
                raise RefusedError(error.reason, f"column {place} of {error.detail}") from error
            self._total += entries
            if self._total > limits.SAMPLES_MAX:
                too_large("samples", self._total, limits.SAMPLES_MAX)
            if not column.sparse:
                dense += 1
            elif entries:
                self._count(accumulate(column.rows), entries, split_rows)
            cost += _COLUMN_UNITS + entries // 10
            if place % _COLUMNS_A_STEP == _COLUMNS_A_STEP - 1 or cost > 1000:
                yield cost
                cost = 0
        for place, count in enumerate(split_rows):
            self.samples[place] += dense * count
        yield cost

    def _bad_of_parts(self, run: pb.GroupRun, rows: int, where: str) -> list[int]:
        if not run.parts:
            return []
        unsupported(pb.FEATURE_PARTS not in self._features, f"{where} has parts")
        return [
            bad_of(f"{where}, part {place}", part.quality, rows) if part.quality else 0
            for place, part in enumerate(run.parts)
        ]

    def _count(self, places: Iterable[int], entries: int, split_rows: Sequence[int]) -> None:
        """Add entries at ascending places to the samples of the blocks that they belong to."""
        if len(split_rows) == 1:
            self.samples[0] += entries
            return
        at = list(places)
        ends = [bisect_left(at, end) for end in accumulate(split_rows, initial=0)]
        for place, (begin, end) in enumerate(pairwise(ends)):
            self.samples[place] += end - begin

    def _splits(self, where: str, said: Sequence[int], count: int) -> tuple[int, ...]:
        """How many of `count` each block has."""
        if not self._blocks:
            malformed(len(said) > 0, f"{where}: splits in a block of its own")
            return (count,)
        malformed(
            len(said) > self._blocks or sum(said) != count,
            f"{where}: splits {list(said[:8])} of {count} over {self._blocks} blocks",
        )
        return (*said, *([0] * (self._blocks - len(said))))

    # ---- Events -----------------------------------------------------------------------------

    def _add_events(
        self, index: int, number: int, run: pb.GroupRun, events: pb.EventRun, plan: CheckedGroup
    ) -> Iterator[int]:
        where = f"run {index} (group {run.group}), events {events.first}+{events.count}"
        end = events.first + events.count
        malformed(events.count == 0 or end >= limits.INT64_END, where)
        lost = _skipped(where, events.lost, events.first, end)
        taken = events.count - sum(one[1] for one in lost)
        too_large(f"{where}: taken", taken, limits.ROWS_MAX)
        splits = self._splits(where, events.block_events, events.count)
        split_taken = rows_of_splits(events.first, splits, lost)
        malformed(
            events.time_order > 2 or len(events.time_us) > taken,
            f"{where}: {len(events.time_us)} times of order {events.time_order} for {taken} events",
        )
        times = integrate(events.time_us, events.time_order, taken)
        low, high = min(times, default=0), max(times, default=0)
        malformed(
            max(abs(low), abs(high)) * 1000 > limits.SPAN_NS_MAX,
            f"{where}: times beyond a hundred years",
        )
        yield 1 + taken // 5
        yield from self._check_event_columns(events, plan, taken, split_taken, where)
        base = run.first_due_ns
        self.events.append(
            Events(index, number, run.group, events.first, splits, lost, base + low * 1000,
                   base + high * 1000)
        )  # fmt: skip

    def _check_event_columns(
        self,
        events: pb.EventRun,
        plan: CheckedGroup,
        taken: int,
        split_taken: Sequence[int],
        where: str,
    ) -> Iterator[int]:
        seen = bytearray(taken)
        for one in events.columns:
            malformed(one.tag >= len(plan.tags.kinds), f"{where}: tag {one.tag} is not in its set")
            malformed(not one.column.sparse, f"{where}: a dense column of events")
            place = f"{where}, tag {one.tag}"
            entries = self._columns.check(plan.tags.kinds[one.tag], one.column, taken, 0, place)
            self._total += entries
            too_large("samples", self._total, limits.SAMPLES_MAX)
            at = list(accumulate(one.column.rows))
            for event in at:
                malformed(seen[event] > 0, f"{where}: event {event} has two values")
                seen[event] = 1
            self._count(at, entries, split_taken)
            yield _COLUMN_UNITS + entries // 2
        malformed(0 in seen, f"{where}: an event without a value")


def _skipped(where: str, gaps: Sequence[pb.TickGap], first: int, end: int) -> tuple[Skipped, ...]:
    """Ranges that must ascend inside first..end."""
    found: list[Skipped] = []
    position = first
    for gap in gaps:
        start, count, reason = gap.first_tick, gap.count, gap.reason
        malformed(
            count == 0 or start < position or start + count > end,
            f"{where}: skipped {start}+{count} are not ascending inside the run",
        )
        malformed(reason <= 0, f"{where}: skipped without a reason")
        position = start + count
        found.append((start, count, int(reason)))
    return tuple(found)


def _late_bounds(where: str, run: pb.GroupRun, rows: int) -> tuple[int, int]:
    """The least and most of late_us.

    A list that ends early goes on with zeros: from its last number on the rows lie on a line, flat
    but in order 2, so that of those that are not carried the last is the farthest. What they would
    come to modulo 2^64 does not matter: two neighbours within LATE_US_MAX differ by less than
    twice that, and then no step of the line wraps.
    """
    order, late_us = run.late_order, run.late_us
    count = len(late_us)
    malformed(order > 2, f"{where}: late_order {order} is not 0, 1 or 2")
    malformed(count > rows, f"{where}: {count} late_us for {rows} rows")
    malformed(
        len(run.half_span_us) > rows, f"{where}: {len(run.half_span_us)} half_span_us, {rows} rows"
    )
    if not count:
        return 0, 0
    given = integrate(late_us, order, count)
    if order == 0 and count < rows:
        given.append(0)
    elif order == 2:
        given.append(given[-1] + integrate(late_us, 1, count)[-1] * (rows - count))
    low, high = min(given), max(given)
    malformed(
        max(-low, high) > limits.LATE_US_MAX,
        f"{where}: a row is more than {limits.LATE_US_MAX} us away from its due time",
    )
    return low, high
