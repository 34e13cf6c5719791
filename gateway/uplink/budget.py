"""What the SIM card may carry: the count, the periods, and what may still go. No I/O.

The count is an estimate of IP bytes in both directions, on the safe side (measured: see
docs/decisions/0006-data-budget.md). The rule:

    backlog   goes while less of the budget is used than of the period has gone by, and a tenth
    live      goes until the budget is used up, less RESERVE_BYTES
    used up   nothing goes, not even a connection, until the next period; acks of what is on its
              way are awaited while no more than half of the reserve is gone

Periods
-------

A new budget is granted when UTC enters a later day or month than any before. It is also granted
after the longest time that a day or month lasts (`LENGTH_NS`, counted while the box has power), so
that a box that never learns the time is not shut out for ever. A clock that is set back grants
nothing: what was used in the later period counts in the earlier one as well. When the clock comes
forward to the later period again, that is no new period either. While UTC is unknown, the present
period goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.config.units import Per, Rate
from gateway.uplink.pace import PIECE_BYTES
from gateway.uplink.periods import DAY_NS, LENGTH_NS, begin_ns, number
from gateway.uplink.wire import PIECE_BYTES_OVER

#: Overhead of a message, each way: gRPC, HTTP/2, TLS 1.3, TCP and IPv6 headers, and the TCP acks
#: for it.
MESSAGE_BYTES = 350
#: What segments and TLS records add to a long message: one part in so many.
MESSAGE_PART = 16
#: TCP, TLS with both certificates (RSA), HTTP/2 settings, Welcome, and the end of the connection.
CONNECT_BYTES = 16_000
#: Attempts that never got so far: what they cost, by how they failed.
FAILED_BYTES = {"uplink.refused": 300, "uplink.dns": 600, "uplink.unreachable": 2000}
#: Kept back for what nobody can refuse: three heartbeats while the last acks come, what the
#: platform says unasked, segments sent again.
RESERVE_BYTES = 32_000
#: A sound budget has room for a connection, the catalog and the largest block so often.
LEAST_TIMES = 4
BLOCK_BYTES_MAX = 1 << 20
#: The backlog may be ahead of the calendar by this share of the budget.
BACKLOG_AHEAD = 0.1


def message_bytes(size: int) -> int:
    """What a message of `size` bytes costs on the card."""
    return size + size // MESSAGE_PART + MESSAGE_BYTES


def pieces_bytes(size: int) -> int:
    """The most that a message of `size` bytes costs, which goes in pieces where it is long."""
    whole, rest = divmod(size, PIECE_BYTES)
    return whole * message_bytes(PIECE_BYTES + PIECE_BYTES_OVER) + message_bytes(rest)


#: An ack, or a heartbeat.
ANSWER_BYTES = message_bytes(40)


def alone(size: int) -> int:
    """The budget that carries messages of `size` bytes and nothing else."""
    return CONNECT_BYTES + pieces_bytes(size) + ANSWER_BYTES + RESERVE_BYTES


def least(catalog_bytes: int) -> int:
    """Below this a budget may be one into which a block never fits."""
    return LEAST_TIMES * alone(catalog_bytes + BLOCK_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class Note:
    """What is kept over restarts. `age_ns`: powered time since the budget was granted. `period`:
    None while UTC was never known. `highest`: the latest that was granted. `before`: the period
    before, and what was used in it.
    """

    per: Per
    used: int = 0
    age_ns: int = 0
    period: int | None = None
    highest: int | None = None
    before: tuple[int, int] | None = None


class Budget:
    """Times are boot time. `utc_ns` gives UTC at a boot time, None while it is not known."""

    def __init__(
        self, rate: Rate, note: Note | None, now_ns: int, utc_ns: Callable[[int], int | None]
    ) -> None:
        self.rate, self.per = rate, rate.per
        kept = note or Note(self.per)
        if kept.per != self.per:  # the file was changed: a month's count says nothing of its days
            kept = Note(self.per, kept.used)
        self._kept = kept
        self._utc_ns, self._seen_ns = utc_ns, now_ns
        self._is_shut = False
        self.is_holding = False  # backlog was held back last
        self.look(now_ns)

    # ---- the count -------------------------------------------------------------------------

    @property
    def used(self) -> int:
        return self._kept.used

    @property
    def age_ns(self) -> int:
        return self._kept.age_ns

    @property
    def period(self) -> int | None:
        return self._kept.period

    def count(self, size: int) -> None:
        """`size` bytes more on the card; negative: they did not go after all."""
        self._kept = replace(self._kept, used=max(0, self._kept.used + size))

    def note(self, ahead: int) -> Note:
        """What to keep: the count, and `ahead` of what may go before the next note."""
        return replace(self._kept, used=self._kept.used + ahead)

    # ---- periods ---------------------------------------------------------------------------

    def look(self, now_ns: int) -> None:
        """Whether another period has begun."""
        kept = replace(self._kept, age_ns=self._kept.age_ns + max(0, now_ns - self._seen_ns))
        self._kept, self._seen_ns = kept, max(now_ns, self._seen_ns)
        utc_ns = self._utc_ns(now_ns)
        now = None if utc_ns is None else number(self.per, utc_ns)
        if kept.age_ns >= LENGTH_NS[self.per]:
            self._grant(now)
        elif now is None or now == kept.period:
            return
        elif kept.period is None:
            self._kept = replace(kept, period=now, highest=now)
        elif now < kept.period:
            again = kept.before[1] if kept.before and kept.before[0] == now else 0
            self._kept = replace(kept, used=kept.used + again, period=now, before=None)
        elif kept.highest is None or now > kept.highest:
            self._grant(now)
        else:
            self._kept = replace(kept, period=now)

    def _grant(self, period: int | None) -> None:
        kept = self._kept
        before = None if kept.period is None else (kept.period, kept.used)
        self._kept = Note(self.per, period=period, highest=period, before=before)
        self._is_shut = self.is_holding = False

    def ends_in_ns(self, now_ns: int) -> int:
        """How long the present period lasts; while UTC is not known, at most."""
        utc_ns = self._utc_ns(now_ns)
        if utc_ns is None or self.period is None:
            return LENGTH_NS[self.per] - self.age_ns
        return begin_ns(self.per, self.period + 1) - utc_ns

    def gone(self, now_ns: int) -> float:
        """The share of the present period that is over: 0..1."""
        utc_ns = self._utc_ns(now_ns)
        if utc_ns is None or self.period is None:
            return min(1.0, self.age_ns / LENGTH_NS[self.per])
        begin, end = begin_ns(self.per, self.period), begin_ns(self.per, self.period + 1)
        return min(1.0, max(0.0, (utc_ns - begin) / (end - begin)))

    # ---- the rule --------------------------------------------------------------------------

    def may_send(self, size: int, answers: int, now_ns: int, *, backlog: bool) -> bool:
        """Whether messages of `size` bytes may go while `answers` are awaited. What does not fit
        of the live lane shuts it: nothing smaller slips by.
        """
        self.look(now_ns)
        then = self.used + pieces_bytes(size) + answers * ANSWER_BYTES
        fits = not self._is_shut and then + RESERVE_BYTES <= self.rate.size_bytes
        if backlog:
            ahead = self.gone(now_ns) + BACKLOG_AHEAD
            fits = fits and then <= self.rate.size_bytes * ahead
            self.is_holding = not fits
        else:
            self._is_shut |= not fits
        return fits

    @property
    def is_used_up(self) -> bool:
        return self._is_shut or self.used + RESERVE_BYTES > self.rate.size_bytes

    @property
    def is_overdrawn(self) -> bool:
        """Half of the reserve is gone: the rest is for what still comes while the stream ends."""
        return self.used + RESERVE_BYTES // 2 > self.rate.size_bytes

    def may_connect(self, now_ns: int, opening: int = 0) -> bool:
        """Whether a connection may be made that begins with `opening` bytes, come what may."""
        self.look(now_ns)
        if self.used + CONNECT_BYTES + opening + RESERVE_BYTES > self.rate.size_bytes:
            self._is_shut = True
        return not self.is_used_up

    def lasts_ns(self) -> int | None:
        """When the rest is used up at the average so far; None while there is none to speak of."""
        if self.age_ns < DAY_NS // 144 or not self.used:
            return None
        return max(0, self.rate.size_bytes - self.used) * self.age_ns // self.used
