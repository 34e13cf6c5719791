"""Which segments are older than blocks are kept: a judgement that needs UTC, so a careful one.

A clock that is wrong must cost nothing. So a segment's age counts by times that something vouched
for, at its creation and now, and is never more than what the boot clock knows of it. A UTC that is
further on than was known counts once every look of a day said so. A segment expires when every look
of an hour found it too old.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from gateway.buffer.index import Segment

LOOK_EVERY_NS = 60 * 10**9
#: A clock that is set wrongly once (a time server, a platform) is mostly set right within this.
SURE_AFTER_NS = 3600 * 10**9
#: A platform whose clock is wrong for longer than this was seen to be.
JUMP_SURE_AFTER_NS = 86_400 * 10**9
#: A clock that says less was never set (2024-01-01).
_PLAUSIBLE_NS = 1_704_067_200 * 10**9


class Expiry:
    """Ask it each `LOOK_EVERY_NS` or so. Times in nanoseconds; `now_ns` is boot time."""

    def __init__(self, keep_for_ns: int) -> None:
        self._keep_for_ns = keep_for_ns
        self._since: dict[int, int] = {}  # when the looks began that all said so, by segment
        self._offset_ns: int | None = None  # UTC is ahead of the boot clock by this at least
        self._ahead: tuple[int, int] | None = None  # since when all looks said more; the least

    def expired(
        self, segments: Mapping[int, Segment], now_ns: int, utc_ns: int | None
    ) -> list[int]:
        """The segments to give up, oldest first. `utc_ns`: None while nothing vouches for it."""
        old: list[int] = []
        if utc_ns is not None:
            sure_ns = now_ns + self._sure_offset_ns(segments, now_ns, utc_ns - now_ns)
            old = _begun_before(segments, now_ns - self._keep_for_ns, sure_ns - self._keep_for_ns)
        self._since = {number: self._since.get(number, now_ns) for number in old}
        return [n for n, since in self._since.items() if now_ns - since >= SURE_AFTER_NS]

    def _sure_offset_ns(self, segments: Mapping[int, Segment], now_ns: int, offset_ns: int) -> int:
        """UTC minus boot time, as far as it can be trusted to expire data by.

        An offset smaller than the trusted one replaces it at once: data is kept longer. A larger
        one only when every look of a day (JUMP_SURE_AFTER_NS) gave a larger one; then the least of
        them. At the first look: by the creation time of the newest segment on disk, else
        `offset_ns` itself.
        """
        if self._offset_ns is None:
            found = (info.created_utc_ns for info in segments.values() if info.created_ns is None)
            known_ns = max(found, default=0)
            self._offset_ns = known_ns - now_ns if known_ns else offset_ns
        if offset_ns <= self._offset_ns:
            self._offset_ns, self._ahead = offset_ns, None
            return offset_ns
        since_ns, least_ns = self._ahead or (now_ns, offset_ns)
        self._ahead = since_ns, min(least_ns, offset_ns)
        if now_ns - since_ns >= JUMP_SURE_AFTER_NS:
            self._offset_ns, self._ahead = self._ahead[1], None
        return self._offset_ns


def age_s(info: Segment, now_ns: int, utc_ns: int) -> float | None:
    """How long ago the segment was begun; None if its time was not known then."""
    if info.created_ns is not None:
        return (now_ns - info.created_ns) / 1e9
    return max(0.0, (utc_ns - info.created_utc_ns) / 1e9) if info.created_utc_ns else None


def _begun_before(segments: Mapping[int, Segment], boot_ns: int, utc_ns: int) -> list[int]:
    """The segments that another one followed before `boot_ns`, where this run made that, and before
    `utc_ns`, by the latest time of any up to that one: all that is in them was sampled before.
    """
    found: list[int] = []
    unknown: list[int] = []  # followed, but by none whose time is known yet
    latest_ns = 0
    for number, follower in pairwise(sorted(segments)):
        unknown.append(number)
        followed_ns, made_ns = segments[follower].created_utc_ns, segments[follower].created_ns
        latest_ns = max(latest_ns, segments[number].created_utc_ns, followed_ns)
        if latest_ns >= utc_ns or (made_ns is not None and made_ns >= boot_ns):
            return found
        if followed_ns >= _PLAUSIBLE_NS:
            found += unknown
            unknown.clear()
    return found
