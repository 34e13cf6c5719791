"""The books of one group whose rows come from a host: every tick becomes a row or a part of a gap.

The first tick of a trouble is a row whose tags are all bad with its cause, so that no old value
stands as new; the ticks behind it are a gap. A row that comes after its tick was accounted is
dropped and counted, as is one that does not fit.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from drivers.host.frames import Row

#: Numbers of GapReason and Quality of the wire protocol that a scan has.
GAP_OVERRUN: Final = 1
GAP_DEVICE_SILENT: Final = 2
GAP_LINK_DOWN: Final = 3
GOOD: Final = 1
UNCERTAIN: Final = 64
BAD: Final = 128
BAD_NO_ANSWER: Final = 129
BAD_LINK_DOWN: Final = 130
BAD_REFUSED: Final = 133
BAD_NOT_A_VALUE: Final = 137
BAD_NO_VALUE: Final = 139

#: A whole row of one of these says that nobody was there; the gap behind it has this reason.
AWAY: Final = {BAD_NO_ANSWER: GAP_DEVICE_SILENT, BAD_LINK_DOWN: GAP_LINK_DOWN}


class Group(Protocol):
    """What of native.rows.group.Group is used here."""

    plan: Any

    def start(self, start_ns: int) -> None: ...
    def push(
        self, tick: int, mid_ns: int, half_span_us: int, status: bytes, data: bytes
    ) -> None: ...
    def skip(self, upto: int, reason: int) -> None: ...
    def scanned(self) -> tuple[int, int]: ...


class Books:
    """Belongs to the runner's thread. `data_bytes`: of one row."""

    def __init__(self, group: Group, period_ns: int, tags: int, data_bytes: int) -> None:
        self._group = group
        self._period_ns, self._tags, self._data_bytes = period_ns, tags, data_bytes
        self._away = 0  # the quality of the trouble that has its row
        self.start_ns = 0  # boot clock; 0: not begun
        self.last_good_ns = 0  # of the newest row with a good tag
        self.late = self.unfit = 0  # rows dropped

    @property
    def next_tick(self) -> int:
        return self._group.scanned()[1]

    def begin(self, start_ns: int) -> None:
        """Tick 0 is due at `start_ns`."""
        self.start_ns = start_ns
        self._group.start(start_ns)

    def row(self, row: Row) -> None:
        """Take one scan in."""
        following = self.next_tick
        if not self.start_ns or row.tick < following:
            self.late += 1
            return
        if (
            len(row.status) != self._tags
            or len(row.data) != self._data_bytes
            or row.half_span_us >= 1 << 32
            or 0 in row.status
            or row.tick >= following + (1 << 40)
        ):
            self.unfit += 1
            return
        if row.tick > following:
            self._group.skip(row.tick, GAP_OVERRUN)
        first = row.status[0]
        if first in AWAY and row.status.count(first) == len(row.status):
            self._trouble(row.tick, row.mid_ns, first)
            return
        self._away = 0
        self._group.push(row.tick, row.mid_ns, row.half_span_us, row.status, row.data)
        if any(quality < UNCERTAIN for quality in row.status):
            self.last_good_ns = row.mid_ns

    def settle(self, now_ns: int, grace_ns: int, quality: int) -> None:
        """Account what was due `grace_ns` ago and more and never came; `quality` says why: one of
        AWAY where nobody is there, else GOOD: the host is there and was too slow.
        """
        if not self.start_ns or now_ns - grace_ns < self.start_ns:
            return
        upto = (now_ns - grace_ns - self.start_ns) // self._period_ns + 1
        following = self.next_tick
        if upto <= following:
            return
        if quality not in AWAY:
            self._group.skip(upto, GAP_OVERRUN)
            return
        if self._away != quality:
            self._trouble(following, self.start_ns + following * self._period_ns, quality)
        self._group.skip(upto, AWAY[quality])

    def _trouble(self, tick: int, at_ns: int, quality: int) -> None:
        if self._away == quality:
            self._group.skip(tick + 1, AWAY[quality])
            return
        self._away = quality
        self._group.push(tick, at_ns, 0, bytes([quality]) * self._tags, bytes(self._data_bytes))
