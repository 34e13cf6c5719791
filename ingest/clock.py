"""Boot time to UTC: which anchor to believe.

A boot's clock drifts against UTC by up to 100 ppm between anchors, so an anchor is worth its own
error plus a ten-thousandth of the time to it. For a moment the anchor with the least sum is the
best, be it earlier or later: a box that started in 1970 is mended by the anchor that comes when
its clock is set. Anchors of source UNKNOWN count only in a boot that has no other, and then, as in
a boot without anchors, the times are uncertain.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

#: 100 ppm: error_ns and the distance to the anchor are compared as error x 10,000 and distance.
_DRIFT_DIVISOR = 10_000
_INT64_MAX = (1 << 63) - 1


class Anchor(NamedTuple):
    boot_time_ns: int
    utc_ns: int
    source: int
    error_ns: int


class BootClock:
    """The clock of one boot. `anchors` must not be empty."""

    def __init__(self, anchors: Iterable[Anchor]) -> None:
        given = sorted(anchors)
        known = [anchor for anchor in given if anchor.source > pb.ANCHOR_SOURCE_UNKNOWN]
        self.uncertain = not known
        usable = known or given
        self._times = [anchor.boot_time_ns for anchor in usable]
        # The best of the anchors up to each, seen from later; the best from each on, seen from
        # earlier: the distance grows alike for all of them, so the order never changes.
        self._before = list(accumulate(usable, _less(lambda a: _worth(a) - a.boot_time_ns)))
        self._after = list(
            accumulate(reversed(usable), _less(lambda a: _worth(a) + a.boot_time_ns))
        )[::-1]

    def utc_ns(self, boot_ns: int) -> int:
        """UTC of a moment on the boot clock, by the best anchor for it."""
        place = bisect_right(self._times, boot_ns)
        best = [*self._before[max(place - 1, 0) : place], *self._after[place : place + 1]]
        anchor = min(best, key=lambda a: _worth(a) + abs(boot_ns - a.boot_time_ns))
        utc_ns = boot_ns - anchor.boot_time_ns + anchor.utc_ns
        return min(max(utc_ns, -_INT64_MAX), _INT64_MAX)  # an anchor's UTC may be anything


def _worth(anchor: Anchor) -> int:
    return anchor.error_ns * _DRIFT_DIVISOR


def _less(key: Callable[[Anchor], int]) -> Callable[[Anchor, Anchor], Anchor]:
    return lambda a, b: min(a, b, key=key)


def epoch_clock(sql: sqlite3.Connection, gateway: str, epoch: int) -> BootClock:
    """The clock that the times of an epoch count on.

    Without any anchor of its boot: a block can't have been received before it was sampled, so the
    least of (received - last due) bounds the offset from above. Close for what came live.
    """
    (boot_id,) = sql.execute(
        "SELECT boot_id FROM epochs WHERE gateway = ? AND epoch = ?", (gateway, epoch)
    ).fetchone()
    anchors = [
        Anchor(*row)
        for row in sql.execute(
            "SELECT boot_time_ns, utc_ns, source, error_ns FROM anchors"
            " WHERE gateway = ? AND boot_id = ?",
            (gateway, boot_id),
        )
    ]
    if not anchors:
        (offset,) = sql.execute(
            "SELECT min(received_utc_ns - (first_due_ns + (ticks - 1) * period_ns))"
            " FROM runs JOIN blocks USING (gateway, epoch, seq) WHERE gateway = ? AND epoch = ?",
            (gateway, epoch),
        ).fetchone()
        anchors = [Anchor(0, offset or 0, pb.ANCHOR_SOURCE_UNKNOWN, 0)]
    return BootClock(anchors)
