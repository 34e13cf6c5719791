"""The runs of a gateway in their order, which is the chain that their first blocks tell: never that
of their numbers, since a box that lost its disk begins again anywhere.

Where the chain is broken (a first block that never came, a box that lost its memory) or divides
(the box could not note its run, a copied card), runs come in the order of the times at which they
began. Of a run of which no block came, the next one's first block and the gaps tell the time.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.clock import BootClock, boot_anchors, unvouched_clock
from ingest.told import Begin, Told, begins, told

_NEVER_NS = 1 << 63


@dataclass(slots=True)
class Run:
    """`began_utc_ns`: None: it had blocks, and nothing says since when; it may have been from the
    end of the run before. `end_utc_ns`: when it was surely over, as the next run or its crash gap
    says; None: nobody says. `announced`: what of it is not here is in gaps. `absent_before`: the
    run that it names as the one before, and of which nothing is here. `linked`: the run that it
    names as the one before is that in this order."""

    gateway: str
    epoch: int
    clock: BootClock
    closed: bool
    begin: Begin | None
    began_ns: int | None
    began_utc_ns: int | None
    end_utc_ns: int | None
    announced: bool
    absent_before: int = 0
    linked: bool = False


def runs_of(sql: sqlite3.Connection, gateway: str) -> list[Run]:
    """The runs of a gateway, the first one first; without those of which nothing tells when they
    were."""
    said = begins(sql, gateway)
    names = [
        epoch for (epoch,) in sql.execute("SELECT epoch FROM epochs WHERE gateway = ?", (gateway,))
    ]
    named = {begin.previous_epoch: begin for begin in said.values()}
    known = {epoch: told(sql, gateway, epoch, said.get(epoch), named.get(epoch)) for epoch in names}
    runs: list[Run] = []
    later_utc_ns = None
    for epoch in reversed(_in_order(known, _followers(sql, gateway, known))):
        run = _placed(sql, known[epoch], later_utc_ns)
        if run is not None:
            runs.append(run)
            later_utc_ns = later_utc_ns if run.began_utc_ns is None else run.began_utc_ns
    runs.reverse()
    before: Run | None = None
    for run in runs:
        previous = 0 if run.begin is None else run.begin.previous_epoch
        run.linked = before is not None and before.epoch == previous
        run.absent_before = 0 if previous in known else previous
        before = run
    return runs


def _followers(
    sql: sqlite3.Connection, gateway: str, known: Mapping[int, Told]
) -> dict[int, set[int]]:
    """Of each epoch those that say that it was before: in their first block, or in a gap."""
    found: dict[int, set[int]] = defaultdict(set)
    for one in known.values():
        if one.begin is not None and one.begin.previous_epoch in known:
            found[one.begin.previous_epoch].add(one.epoch)
    for epoch, by in sql.execute(
        "SELECT DISTINCT epoch, in_epoch FROM gaps"
        " WHERE gateway = ? AND epoch != in_epoch AND NOT foreign_machine",
        (gateway,),
    ):
        found[epoch].add(by)
    return found


def _in_order(known: Mapping[int, Told], followers: Mapping[int, set[int]]) -> list[int]:
    """The epochs, each behind those that it follows, else by time: a run was not later than any
    that follows it."""
    preceding: dict[int, set[int]] = defaultdict(set)
    for epoch, behind in followers.items():
        for one in behind:
            preceding[one].add(epoch)
    began = {
        epoch: _NEVER_NS if one.began_utc_ns is None else one.began_utc_ns
        for epoch, one in known.items()
    }
    times: dict[int, int] = {}
    for epoch in sorted(known, key=lambda one: (began[one], one)):
        left = [epoch]
        while left:
            one = left.pop()
            if one not in times:
                times[one] = began[epoch]
                left += preceding[one]
    waits = {epoch: len(preceding[epoch]) for epoch in known}
    heap = [(times[epoch], epoch) for epoch in known if not waits[epoch]]
    heapq.heapify(heap)
    ordered: dict[int, None] = {}
    while len(ordered) < len(known):
        if not heap:  # a circle: nobody's order
            left = [epoch for epoch in known if epoch not in ordered]
            heap.append(min((times[epoch], epoch) for epoch in left))
        _, epoch = heapq.heappop(heap)
        if epoch in ordered:
            continue
        ordered[epoch] = None
        for one in followers.get(epoch, ()):
            waits[one] -= 1
            if not waits[one]:
                heapq.heappush(heap, (times[one], one))
    return list(ordered)


def _placed(sql: sqlite3.Connection, one: Told, later_utc_ns: int | None) -> Run | None:
    """The run in time; None: nothing tells. `later_utc_ns`: when the next one began of which that
    is known."""
    clock, began_utc_ns = one.clock, one.began_utc_ns
    end_utc_ns = _end_utc_ns(sql, one)
    if began_utc_ns is None and later_utc_ns is None:
        return None
    if clock is None and began_utc_ns is not None:
        clock = unvouched_clock(one.began_ns or 0, began_utc_ns)
    elif clock is None and later_utc_ns is not None:
        # All that is known of its boot: it was over before the next run.
        clock = unvouched_clock(one.until_ns or 0, later_utc_ns)
        end_utc_ns = later_utc_ns
    assert clock is not None
    if began_utc_ns is None and one.began_ns is not None:
        began_utc_ns = clock.utc_ns(one.began_ns)
    elif began_utc_ns is None and not one.last_seq:
        # It had no block: it ended as soon as it began.
        began_utc_ns = later_utc_ns if one.until_ns is None else clock.utc_ns(one.until_ns)
    return Run(
        one.gateway, one.epoch, clock, one.closed, one.begin, one.began_ns, began_utc_ns,
        end_utc_ns, one.announced,
    )  # fmt: skip


def _end_utc_ns(sql: sqlite3.Connection, one: Told) -> int | None:
    said = [] if one.crash is None else [one.crash]
    if one.next_begin is not None:
        said.insert(0, (one.next_begin.sampled_until_ns, one.next_begin.previous_boot_id))
    for boot_ns, boot_id in said:
        anchors = boot_anchors(sql, one.gateway, boot_id)
        if anchors:
            return BootClock(anchors).utc_ns(boot_ns)
    return None


def absent_runs(sql: sqlite3.Connection) -> list[tuple[str, int, int]]:
    """(gateway, epoch, the epoch that names it): runs that others name and that are not here."""
    return [
        (gateway, previous, epoch)
        for gateway, previous, epoch in sql.execute(
            "SELECT gateway, previous_epoch, epoch FROM begins b WHERE previous_epoch > 0"
            " AND ended != ? AND NOT EXISTS (SELECT 1 FROM epochs e"
            " WHERE e.gateway = b.gateway AND e.epoch = b.previous_epoch) ORDER BY 1, 3",
            (pb.RUN_END_NONE_BEFORE,),
        )
    ]
