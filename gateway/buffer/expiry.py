"""Which segments are older than blocks are kept: a judgement that needs UTC, so a careful one.

A clock that is wrong must cost nothing. So a segment's age counts by times that something vouched
for, at its creation and now; and it expires when every look of an hour said so.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from gateway.buffer.index import Segment

LOOK_EVERY_NS = 60 * 10**9
#: A clock that is set wrongly once (a time server, a platform) is mostly set right within this.
SURE_AFTER_NS = 3600 * 10**9
#: A clock that says less was never set (2024-01-01).
_PLAUSIBLE_NS = 1_704_067_200 * 10**9


class Expiry:
    """Ask it each `LOOK_EVERY_NS` or so. Times in nanoseconds; `now_ns` is boot time."""

    def __init__(self, keep_for_ns: int) -> None:
        self._keep_for_ns = keep_for_ns
        self._since: dict[int, int] = {}  # when the looks began that all said so, by segment

    def expired(
        self, segments: Mapping[int, Segment], now_ns: int, utc_ns: int | None
    ) -> list[int]:
        """The segments to give up, oldest first. `utc_ns`: None while nothing vouches for it."""
        old = [] if utc_ns is None else _begun_before(segments, utc_ns - self._keep_for_ns)
        self._since = {number: self._since.get(number, now_ns) for number in old}
        return [n for n, since in self._since.items() if now_ns - since >= SURE_AFTER_NS]


def age_s(info: Segment, now_ns: int, utc_ns: int) -> float | None:
    """How long ago the segment was begun; None if its time was not known then."""
    if info.created_ns is not None:
        return (now_ns - info.created_ns) / 1e9
    return max(0.0, (utc_ns - info.created_utc_ns) / 1e9) if info.created_utc_ns else None


def _begun_before(segments: Mapping[int, Segment], utc_ns: int) -> list[int]:
    """The segments that another one followed before `utc_ns`, by the latest time of any up to
    that one: all that is in them was sampled before.
    """
    found: list[int] = []
    unknown: list[int] = []  # followed, but by none whose time is known yet
    latest_ns = 0
    for number, follower in pairwise(sorted(segments)):
        unknown.append(number)
        followed_ns = segments[follower].created_utc_ns
        latest_ns = max(latest_ns, segments[number].created_utc_ns, followed_ns)
        if latest_ns >= utc_ns:
            return found
        if followed_ns >= _PLAUSIBLE_NS:
            found += unknown
            unknown.clear()
    return found
