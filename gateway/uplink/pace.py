"""How much may be on the wire unconfirmed, and what a cut stream teaches. No I/O, no clock.

The stream is ordered: an answer to a heartbeat or an ack tells that all sent before it has arrived.
What is sent and not so confirmed waits in buffers of the two kernels, of gRPC and of proxies, and
is what a stream that breaks loses; heartbeats wait behind it. So it is bounded, by what the link
carries in a second or two (`FAST_NS`, `SLOW_NS`), and where streams were cut by a part of what the
present one has brought over: whatever a stream may carry, little of it goes twice.

A proxy that cuts each stream at its body limit (nginx: 1 MiB) is found by two cuts of one length;
from then on streams end by themselves a little before it.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

#: Largest piece of a message. At 64 kbit/s it takes two seconds, which is as long as a heartbeat
#: may wait.
PIECE_BYTES = 16 << 10
ROOM_BYTES_MIN = PIECE_BYTES
#: Where a stream begins: 8 s of 64 kbit/s, so that the first answer is never taken for silence.
ROOM_BYTES_FIRST = 64 << 10
ROOM_BYTES_MAX = 16 << 20
#: An answer so fast doubles the room if it was used, one so slow halves it.
FAST_NS, SLOW_NS = 10**9, 3 * 10**9
#: After a cut: so much, and this part of what the stream has brought over, may be on its way.
CUT_ROOM_BYTES, CUT_ROOM_PART = PIECE_BYTES, 8
#: Share of the learned stream length that is used.
CUT_USED = 0.9
#: A stream that brought over so many times the length was no victim of it.
CUT_PASSED = 2
#: After so many streams that ended by themselves the length is tried anew.
CUT_TRIED_AGAIN = 64


@dataclass(slots=True)
class Cuts:
    """What streams that broke have taught; outlives them. Lengths are bytes of messages."""

    careful: bool = False  # the last stream was cut
    length: int | None = None  # that a stream may carry
    _last: tuple[int, int] | None = None  # what the last that was cut had confirmed, and sent
    _ended: int = 0

    @property
    def carried(self) -> int:
        """What a stream is known to carry."""
        return self.length or (self._last[0] if self._last else 0)

    def was_cut(self, confirmed: int, sent: int) -> None:
        """The other side, or the wire, ended a stream that had carried this much."""
        self.careful = True
        if self.length is not None:  # it was tried too far, or the proxy has another one now
            self.length = max(1, min(self.length, confirmed))
        elif self._last is not None and sent > PIECE_BYTES:
            low, high = max(confirmed, self._last[0]), min(sent, self._last[1])
            if 0 < low <= high:  # one length explains both
                self.length = low
        self._last = (confirmed, sent)

    def ended(self) -> None:
        """A stream was ended by ourselves, at the length."""
        self._ended += 1
        if self._ended >= CUT_TRIED_AGAIN:
            self._ended, self.length, self._last = 0, None, None

    def passed(self, confirmed: int) -> None:
        """The present stream has brought over so much."""
        known = self.length or (self._last[1] if self._last else 0)
        if self.careful and confirmed > max(CUT_PASSED * known, 1 << 20):
            self.careful, self.length, self._last = False, None, None


class Pace:
    """How fast one stream may send. `cuts` is shared by all streams of the process."""

    def __init__(self, cuts: Cuts, room: int = ROOM_BYTES_FIRST) -> None:
        self.cuts = cuts
        self.room = room
        self.sent = self.confirmed = 0
        self._marks: dict[Hashable, tuple[int, int]] = {}  # what will be answered: position, when
        self._is_short = False  # something waits for room

    def went(self, size: int) -> None:
        """`size` bytes of messages were handed to the transport."""
        self.sent += size

    def mark(self, name: Hashable, now_ns: int) -> None:
        """What was just sent will be answered under this name."""
        self._marks[name] = (self.sent, now_ns)

    def answered(self, name: Hashable, now_ns: int, *, at_once: bool = False) -> None:
        """It was. `at_once`: by the platform as it came, not when it was durable."""
        position, sent_ns = self._marks.pop(name, (0, now_ns))
        if position > self.confirmed:
            used = self.sent - self.confirmed
            self.confirmed = position
            self._marks = {n: m for n, m in self._marks.items() if m[0] > position}
            took_ns = now_ns - sent_ns
            if took_ns >= SLOW_NS and at_once:
                self.room = max(ROOM_BYTES_MIN, self.room // 2)
            elif took_ns <= FAST_NS and 2 * used >= self.room:
                self.room = min(ROOM_BYTES_MAX, self.room * 2)
            self.cuts.passed(self.confirmed)

    @property
    def unconfirmed(self) -> int:
        return self.sent - self.confirmed

    @property
    def left(self) -> int:
        """Bytes that may go now."""
        room = self.room
        if self.cuts.careful:
            room = min(room, CUT_ROOM_BYTES + self.confirmed // CUT_ROOM_PART)
        return room - self.unconfirmed

    def takes(self, size: int) -> bool:
        """Whether a message of so many bytes may go; one alone always may."""
        fits = self.unconfirmed == 0 or size <= self.left
        self._is_short = not fits
        return fits

    @property
    def wants_mark(self) -> bool:
        """Much is on its way, and an answer soon would tell how fast it moves; or something waits
        for the room that an answer would give.
        """
        least = PIECE_BYTES // 2 if self.cuts.careful else self.room // 2
        return self.unconfirmed >= least or (self._is_short and self.unconfirmed > 0)

    @property
    def piece_bytes(self) -> int:
        """The most that one message may carry: so that others pass between, and where streams were
        cut a part of what one carries, however fast the link is.
        """
        most = self.room // 4
        if self.cuts.careful:
            most = min(most, max(self.cuts.carried, self.confirmed) // CUT_ROOM_PART)
        return max(PIECE_BYTES, most)

    def is_full(self, size: int) -> bool:
        """Whether `size` bytes more would reach the length at which streams are cut."""
        length = self.cuts.length
        return length is not None and self.sent + size > length * CUT_USED
