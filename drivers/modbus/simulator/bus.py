"""Slaves on a pseudo-terminal that keeps the time of a real serial bus, or on a serial port.

A pseudo-terminal carries bytes at once; a wire does not. So a request counts as arrived only when
its characters would have passed at the given rate, an RTU frame ends with 3.5 characters of silence
(1.75 ms above 19,200 baud: Modbus over Serial Line V1.02 section 2.5.1.1), the slave takes its
answer time, and the answer comes in slices of about a millisecond, each no earlier than its last
character could be there. Several units share the bus; what a master sends into an answer is lost
with it, as on copper. On a serial port the wire takes its time itself. An adapter hands a frame
over in pieces, up to 16 ms apart: a whole one is answered at once, another after a longer silence.
"""

from __future__ import annotations

import heapq
import os
import select
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import count
from threading import Thread
from typing import NamedTuple

from drivers.modbus.simulator.book import now_ns
from drivers.modbus.simulator.frames import FRAMINGS, Ascii, Rtu
from drivers.modbus.simulator.terminals import Terminal
from drivers.modbus.simulator.unit import Unit

_SLICE_NS = 1_000_000
_SPIN_NS = 80_000  # looked for without sleeping at the end of a wait: a wake-up takes about as long
_FAST_BAUD, _FAST_SILENCE_NS = 19_200, 1_750_000
_PIECES_NS = 50_000_000  # between two pieces of a frame that an adapter hands over, at most
_REOPEN_S = 0.2  # how often an adapter that was pulled is looked for
_FRAME_MAX = 513  # characters of an ASCII frame; RTU: 256


class _Due(NamedTuple):
    begin_ns: int
    order: int
    frame: bytes
    finish: Callable[[bool], None]  # told whether the answer was disturbed on the wire


#: What else is on the wire, of another protocol: hears a frame that is not ours, and says what is
#: answered to it, each answer with the seconds that it takes.
Others = Callable[[bytes], Iterable[tuple[float, bytes]]]


class Bus:
    """A terminal, its units, and a thread that is the wire."""

    def __init__(
        self,
        terminal: Terminal,
        units: Mapping[int, Unit],
        *,
        baud: int = 9600,
        char_bits: int = 10,
        framing: str = "rtu",
        answer_ms: float = 5.0,
        others: Others | None = None,
    ) -> None:
        frames = FRAMINGS[framing]
        if not isinstance(frames, Rtu | Ascii):
            raise ValueError("a bus carries rtu or ascii frames")
        self.path = terminal.path
        self.units = dict(units)
        self.answer_ns = round(answer_ms * 1e6)
        self.char_ns = char_bits * 1_000_000_000 // baud
        self.silence_ns = _FAST_SILENCE_NS if baud > _FAST_BAUD else self.char_ns * 7 // 2
        self.early = 0  # frames that began inside the silence after the last one
        self.collisions = 0  # answers that the master talked into
        self.ignored = 0  # frames that were damaged
        self._frames = frames
        self._others = others
        self._ascii = isinstance(frames, Ascii)
        self._calls: deque[Callable[[], None]] = deque()
        self._due: list[_Due] = []
        self._order = count()
        self._buffer = bytearray()
        self._arrived_ns = 0  # when the last character of the buffer is over
        self._quiet_ns = 0  # since when the bus is silent
        self._running = False
        self._thread = Thread(target=self._run, name="sim-bus", daemon=True)
        self._terminal = terminal
        self._off = False
        self.open()

    def open(self) -> None:
        """Before `start`, or in the bus's thread."""
        self._terminal.open()
        self._off = False

    def close(self) -> None:
        """Pull the adapter. In the bus's thread."""
        self._lost()
        self._off = True

    def _lost(self) -> None:
        self._terminal.close()
        self._buffer.clear()
        self._due.clear()

    def start(self) -> None:
        """Be a bus from now on. Once."""
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._running = True
        self._thread.start()

    def stop(self) -> None:
        """Close everything; the thread has ended when this returns. After `start`."""
        self.call(self._end)
        self._thread.join()
        self.close()
        os.close(self._wake)

    def call(self, what: Callable[[], None]) -> None:
        """Run `what` in the bus's thread, soon. Any thread."""
        self._calls.append(what)
        os.eventfd_write(self._wake, 1)

    def _end(self) -> None:
        self._running = False

    def _run(self) -> None:
        while self._running:
            self._listen(self._next_ns())
            while self._calls:
                self._calls.popleft()()
            now = now_ns()
            if self._buffer and self._frame_over(now):
                self._frame(bytes(self._buffer))
                self._buffer.clear()
            if self._due and self._due[0].begin_ns <= now:
                self._transmit(heapq.heappop(self._due))

    def _next_ns(self) -> int | None:
        if self._calls:  # made while an answer was sent, which took their wake-up
            return 0
        times = [self._due[0].begin_ns] if self._due else []
        if self._buffer and not (self._ascii and not self._buffer.endswith(b"\n")):
            times.append(self._frame_ends())
        return min(times, default=None)

    def _frame_ends(self) -> int:
        if self._ascii:
            return self._arrived_ns
        return self._arrived_ns + (_PIECES_NS if self._terminal.is_wire else self.silence_ns)

    def _frame_over(self, now: int) -> bool:
        if self._ascii and not self._buffer.endswith(b"\n"):
            return False
        if self._terminal.is_wire and self._frames.check(bytes(self._buffer)):
            return True
        return now >= self._frame_ends()

    def _listen(self, until_ns: int | None) -> bool:
        """Take what arrives until then, or one arrival or call; whether anything arrived."""
        timeout = None if until_ns is None else max(0.0, (until_ns - _SPIN_NS - now_ns()) / 1e9)
        fd = self._terminal.fd
        if fd < 0 and not self._off:
            timeout = _REOPEN_S
            with suppress(OSError):  # it is still away
                self._terminal.open()
        ready, _, _ = select.select([self._wake] if fd < 0 else [self._wake, fd], [], [], timeout)
        if self._wake in ready:
            os.eventfd_read(self._wake)
        if fd not in ready:
            return False
        now = now_ns()
        try:
            data = os.read(fd, 4096)
        except OSError:  # the adapter was pulled
            data = b""
        if not data:
            self._lost()
            return False
        if not self._buffer and now < self._quiet_ns + self.silence_ns and not self._ascii:
            self.early += 1
        self._arrived_ns = max(self._arrived_ns, now)
        if not self._terminal.is_wire:
            self._arrived_ns += len(data) * self.char_ns
        self._quiet_ns = self._arrived_ns
        self._buffer += data
        del self._buffer[:-_FRAME_MAX]
        return True

    def _frame(self, frame: bytes) -> None:
        asked = self._frames.check(frame)
        if asked is None:
            self._foreign(frame)
            return
        unit = self.units.get(asked.unit)
        if unit is None or unit.faults.mute:
            return
        faults, asked_ns = unit.faults, self._arrived_ns
        struck = faults.spoils and faults.strikes()
        answer = unit.answer(asked.pdu)
        clean = reply = self._frames.build(asked.unit, 0, answer.pdu)
        delay_ns = self.answer_ns + round(1e6 * (faults.slow + (faults.late if struck else 0.0)))
        if faults.spoils:
            if struck:
                reply = self._frames.build(*faults.lie(asked.unit, 0, answer.pdu))
            reply = faults.damage(reply, struck)
            if faults.echo:
                self._write(frame)
        late = struck and faults.late > 0

        def finish(disturbed: bool) -> None:
            if answer.counter:
                unit.book.write(
                    unit.name, answer.counter, asked_ns, disturbed or late or reply != clean
                )

        self._answer(reply, delay_ns, finish)

    def _foreign(self, frame: bytes) -> None:
        answers = list(self._others(frame)) if self._others else []
        self.ignored += not answers
        for delay_s, reply in answers:
            self._answer(reply, round(delay_s * 1e9), lambda _: None)

    def _answer(self, reply: bytes, delay_ns: int, finish: Callable[[bool], None]) -> None:
        begin = (now_ns() if self._terminal.is_wire else self._frame_ends()) + delay_ns
        heapq.heappush(self._due, _Due(begin, next(self._order), reply, finish))

    def _transmit(self, due: _Due) -> None:
        """Send an answer in slices; what arrives meanwhile is lost, and so is the answer."""
        begin, sent, disturbed = due.begin_ns, 0, bool(self._buffer)
        self._buffer.clear()
        total = len(due.frame)
        while sent < total and self._terminal.fd >= 0:
            chars = max(1, _SLICE_NS // self.char_ns)
            upto = min(total, sent + chars)
            deadline = begin + upto * self.char_ns
            while now_ns() < deadline:
                if self._listen(deadline):
                    disturbed = True
                    self._buffer.clear()
            self._write(due.frame[sent:upto])
            sent = upto
        self.collisions += disturbed
        self._quiet_ns = now_ns()
        due.finish(disturbed)

    def _write(self, data: bytes) -> None:
        try:
            os.write(self._terminal.fd, data)
        except BlockingIOError:
            return  # nobody reads and the terminal is full: on a wire these characters are gone too
        except OSError:  # the adapter was pulled
            self._lost()
