"""Boot time to UTC: which anchor to believe, and whether to.

A boot's clock drifts against UTC by up to 100 ppm between anchors, so an anchor is worth its own
error plus a ten-thousandth of the time to it. For a moment the anchor with the least sum is the
best, be it earlier or later: a box that started in 1970 is mended by the anchor that comes when its
clock is set. Anchors that nothing vouches for count only in a boot that has no other, an estimate
before an unknown one, and then, as in a boot without anchors, the times are uncertain.

Two anchors contradict each other where their offsets differ by more than both errors and the drift
between them: then a clock was wrong. One that a later anchor voids is left out. Of others nobody
knows which was right, and times by any of them are uncertain until an anchor voids some.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

#: 100 ppm: error_ns and the distance to the anchor are compared as error x 10,000 and distance.
_DRIFT_DIVISOR = 10_000
_INT64_MAX = (1 << 63) - 1
#: Beyond every bound.
_FAR = 1 << 90
#: Sources by what they are worth; another number is as unknown.
_RANKS = {
    int(pb.ANCHOR_SOURCE_SYSTEM): 2,
    int(pb.ANCHOR_SOURCE_PLATFORM): 2,
    int(pb.ANCHOR_SOURCE_LAST_KNOWN): 1,
}
_VOUCHED = 2


class Anchor(NamedTuple):
    boot_time_ns: int
    utc_ns: int
    source: int
    error_ns: int
    voids_earlier: bool = False

    @property
    def rank(self) -> int:
        return _RANKS.get(self.source, 0)


class Moment(NamedTuple):
    utc_ns: int
    uncertain: bool


class _Bounds(NamedTuple):
    """An anchor's offset with its error and its time as drift, in ten-thousandths: a later anchor
    contradicts an earlier one where its `low` is above the other's `low_end` (it is ahead), or its
    `high_end` below the other's `high` (it is behind)."""

    low: int
    low_end: int
    high: int
    high_end: int


def _bounds(anchor: Anchor) -> _Bounds:
    offset = (anchor.utc_ns - anchor.boot_time_ns) * _DRIFT_DIVISOR
    error, time = anchor.error_ns * _DRIFT_DIVISOR, anchor.boot_time_ns
    return _Bounds(
        offset - error - time, offset + error - time, offset - error + time, offset + error + time
    )


def _against_later(anchors: Sequence[Anchor], *, voiding: bool) -> list[bool]:
    """Of anchors in the order of their times, which ones a later one (that voids) contradicts."""
    found = []
    low, high_end = -_FAR, _FAR
    for anchor in reversed(anchors):
        one = _bounds(anchor)
        found.append(low > one.low_end or one.high > high_end)
        if anchor.voids_earlier or not voiding:
            low, high_end = max(low, one.low), min(high_end, one.high_end)
    return found[::-1]


def _against_earlier(anchors: Sequence[Anchor]) -> list[bool]:
    found = []
    low_end, high = _FAR, -_FAR
    for anchor in anchors:
        one = _bounds(anchor)
        found.append(one.low > low_end or high > one.high_end)
        low_end, high = min(low_end, one.low_end), max(high, one.high)
    return found


def _settled(anchors: Iterable[Anchor]) -> tuple[list[Anchor], set[Anchor]]:
    """The anchors that none voids, and of those the doubted ones."""
    given = sorted(anchors)
    void = _against_later(given, voiding=True)
    left = [anchor for anchor, gone in zip(given, void, strict=True) if not gone]
    # What nothing vouches for is no reason to doubt.
    vouched = [anchor for anchor in left if anchor.rank >= _VOUCHED]
    doubts = zip(
        vouched, _against_later(vouched, voiding=False), _against_earlier(vouched), strict=True
    )
    return left, {anchor for anchor, later, earlier in doubts if later or earlier}


class BootClock:
    """The clock of one boot. `anchors` must not be empty."""

    def __init__(self, anchors: Iterable[Anchor]) -> None:
        left, self._doubted = _settled(anchors)
        best = max(min(anchor.rank, _VOUCHED) for anchor in left)
        usable = [anchor for anchor in left if min(anchor.rank, _VOUCHED) == best]
        #: Whether every time is uncertain.
        self.uncertain = best < _VOUCHED
        self._times = [anchor.boot_time_ns for anchor in usable]
        # The best of the anchors up to each, seen from later; the best from each on, seen from
        # earlier: the distance grows alike for all of them, so the order never changes.
        self._before = list(accumulate(usable, _less(lambda a: _worth(a) - a.boot_time_ns)))
        self._after = list(
            accumulate(reversed(usable), _less(lambda a: _worth(a) + a.boot_time_ns))
        )[::-1]

    def utc_ns(self, boot_ns: int) -> int:
        """UTC of a moment on the boot clock, by the best anchor for it."""
        return self.moment(boot_ns).utc_ns

    def moment(self, boot_ns: int) -> Moment:
        place = bisect_right(self._times, boot_ns)
        best = [*self._before[max(place - 1, 0) : place], *self._after[place : place + 1]]
        anchor = min(best, key=lambda a: _worth(a) + abs(boot_ns - a.boot_time_ns))
        utc_ns = boot_ns - anchor.boot_time_ns + anchor.utc_ns
        utc_ns = min(max(utc_ns, -_INT64_MAX), _INT64_MAX)  # an anchor's UTC may be anything
        return Moment(utc_ns, self.uncertain or anchor in self._doubted)

    def boot_range(self, start_ns: int | None, end_ns: int | None) -> tuple[int, int]:
        """Boot times that surely enclose a range of UTC (None: open)."""
        offsets = [anchor.utc_ns - anchor.boot_time_ns for anchor in {*self._before, *self._after}]
        low = -_INT64_MAX if start_ns is None else start_ns - max(offsets)
        high = _INT64_MAX if end_ns is None else end_ns - min(offsets)
        return low, high


def _worth(anchor: Anchor) -> int:
    return anchor.error_ns * _DRIFT_DIVISOR


def _less(key: Callable[[Anchor], int]) -> Callable[[Anchor, Anchor], Anchor]:
    return lambda a, b: min(a, b, key=key)


def boot_anchors(sql: sqlite3.Connection, gateway: str, boot_id: str) -> list[Anchor]:
    return [
        Anchor(boot_ns, utc_ns, source, error_ns, bool(voids))
        for boot_ns, utc_ns, source, error_ns, voids in sql.execute(
            "SELECT boot_time_ns, utc_ns, source, error_ns, voids_earlier FROM anchors"
            " WHERE gateway = ? AND boot_id = ?",
            (gateway, boot_id),
        )
    ]


def received_clock(sql: sqlite3.Connection, gateway: str, epoch: int) -> BootClock | None:
    """For an epoch without any anchor of its boot: a block can't have been received before it was
    sampled, so the least of (received - last due) bounds the offset from above. Close for what came
    live. None where no tick came."""
    (offset,) = sql.execute(
        "SELECT min(p.received_utc_ns - (zero_ns + (first_tick + ticks - 1) * period_ns))"
        " FROM runs r JOIN series USING (gateway, epoch, grp)"
        " JOIN payloads p ON p.payload = r.payload WHERE r.gateway = ? AND r.epoch = ?",
        (gateway, epoch),
    ).fetchone()
    return None if offset is None else unvouched_clock(0, offset)


def unvouched_clock(boot_ns: int, utc_ns: int) -> BootClock:
    """Of a boot of which one moment is known about."""
    return BootClock([Anchor(boot_ns, utc_ns, pb.ANCHOR_SOURCE_UNKNOWN, 0)])


def epoch_clock(sql: sqlite3.Connection, gateway: str, epoch: int) -> BootClock:
    """The clock that the times of an epoch count on."""
    (boot_id,) = sql.execute(
        "SELECT boot_id FROM epochs WHERE gateway = ? AND epoch = ?", (gateway, epoch)
    ).fetchone()
    anchors = boot_anchors(sql, gateway, boot_id)
    if anchors:
        return BootClock(anchors)
    return received_clock(sql, gateway, epoch) or unvouched_clock(0, 0)
