"""Where checks of all streams take their turns: one thread, a few milliseconds at a time.

Of the gateways that have something to check, the one goes on that used least of late. So a block
that is costly to check makes its own gateway wait, and a small one of another gateway waits for one
turn at most, whoever else is there. Used is what the steps yield; it halves with each
`_HALF_UNITS` that all of them used together, so that nobody pays for long ago.

A check that was begun keeps what it unpacked until its end, so those that are begun are bounded:
large ones begin only while all that are begun stay below `BEGUN_BYTES_MAX`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from ingest.refusal import RefusedError

#: About microseconds: a turn, and after how many of all of them what each used counts half.
_TURN_UNITS = 3_000
_HALF_UNITS = 2_000_000
#: Bytes that begun checks unpack, all together; a single one may be larger. Parsed they take some
#: fifteen times as much. Small checks find as much room again, behind large ones that fill it.
BEGUN_BYTES_MAX = 2 << 20
_SMALL_BYTES = 64 << 10


@dataclass(slots=True)
class _Check:
    steps: Iterator[Any]
    size: int
    future: Future[Any]
    begun: bool = False


@dataclass(slots=True)
class _Waiting:
    used: int = 0
    checks: deque[_Check] = field(default_factory=deque)


def finish(steps: Iterator[Any]) -> Any:
    """What the steps yield last, or the RefusedError that they raise."""
    try:
        *_, found = steps
    except RefusedError as error:
        return error.alone()
    return found


class Desk:
    """Any thread may `ask`; `close` when nobody asks any more."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._gateways: dict[str, _Waiting] = {}
        self._spent = 0
        self._begun_bytes = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="check", daemon=True)
        self._thread.start()

    def ask(self, gateway: str, steps: Iterator[Any], size: int = 0) -> Future[Any]:
        """Its Future ends with what `finish(steps)` would give. `size`: bytes that it unpacks. What
        is cancelled before it was begun is left undone."""
        future: Future[Any] = Future()
        with self._lock:
            one = self._gateways.setdefault(gateway, _Waiting())
            # A stream that ended leaves its check behind: not one for each that follows.
            one.checks = deque(check for check in one.checks if not check.future.cancelled())
            one.checks.append(_Check(steps, size, future))
            self._lock.notify()
        return future

    def close(self) -> None:
        """What was not begun stays undone."""
        with self._lock:
            self._closed = True
            self._lock.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._closed and not self._waiting():
                    self._lock.wait()
                if self._closed:
                    return
                gateway = self._next()
                check = gateway.checks[0]
                if not self._begin(check):
                    gateway.checks.popleft()
                    continue
            units, done = self._turn(check.steps, check.future)
            with self._lock:
                gateway.used += units
                self._forget(units)
                if done:
                    gateway.checks.popleft()
                    self._begun_bytes -= check.size

    def _next(self) -> _Waiting:
        """Of those that may go on, the one that used least; a large check that finds no room lets
        no other large one begin before it."""
        waiting = sorted(self._waiting(), key=lambda one: one.used)
        room = BEGUN_BYTES_MAX - self._begun_bytes
        for one in waiting:
            check = one.checks[0]
            more = BEGUN_BYTES_MAX if check.size <= _SMALL_BYTES else 0
            if check.begun or check.size <= room + more or not self._begun_bytes:
                return one
            if not more:
                room = min(room, 0)
        raise AssertionError("what is begun waits for its next turn")

    def _begin(self, check: _Check) -> bool:
        """False: nobody waits for it any more."""
        if check.begun:
            return True
        check.begun = check.future.set_running_or_notify_cancel()
        self._begun_bytes += check.size if check.begun else 0
        return check.begun

    def _waiting(self) -> list[_Waiting]:
        return [one for one in self._gateways.values() if one.checks]

    def _turn(self, steps: Iterator[Any], future: Future[Any]) -> tuple[int, bool]:
        """Some steps: what they cost, and whether they were the last."""
        units = 0
        try:
            for step in steps:
                if not isinstance(step, int):
                    future.set_result(step)
                    return units + 1, True
                units += step
                if units >= _TURN_UNITS:
                    return units, False
            raise AssertionError("a check that ends without a result")
        except RefusedError as error:
            future.set_result(error.alone())
        except BaseException as error:
            future.set_exception(error)  # raised where the result is waited for
            if not isinstance(error, Exception):
                raise
        return units + 1, True

    def _forget(self, units: int) -> None:
        self._spent += units
        if self._spent < _HALF_UNITS:
            return
        self._spent = 0
        for name, one in list(self._gateways.items()):
            one.used //= 2
            if not one.used and not one.checks:
                del self._gateways[name]
