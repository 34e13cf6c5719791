"""`listen_only`, and an answer that another master did not get: what is believed until when."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.kit import other_master
from tests.kit.other_master import LONG_QUIET_NS, SAME, SAME_PLANS, OtherMaster
from tests.kit.scanner import LOOK_S, LOOKS, PERIOD_NS, NeverError, Scanner, pairs
from tests.kit.slave import Asked, Script, Step, answer, honest

NO_ANSWER = 129
ONE = [(1, 3, 0, 2)]
ONE_PLANS = {1: [pairs((0,), period_ns=2 * PERIOD_NS)]}
STRUCK = 20  # the request that a fault strikes


def listen(script: Script, **more: Any) -> Scanner:
    return other_master.listen(script, timeout_ns=LONG_QUIET_NS, **more)


def rows_behind(many: int) -> Callable[[Scanner], bool]:
    """So many good rows that were asked for behind the fault."""

    def enough(scanner: Scanner) -> bool:
        asked = scanner.slave.asked
        if len(asked) <= STRUCK:
            return False
        return scanner.good(after_ns=asked[STRUCK].at_ns) >= many

    return enough


def once(steps: Callable[[Asked], Iterable[Step]]) -> Script:
    return lambda asked: steps(asked) if asked.number == STRUCK else honest(asked)


def flipped(asked: Asked, at: int) -> Iterable[Step]:
    frame = bytearray(answer(asked))
    frame[at] ^= 1
    return [bytes(frame)]


@pytest.mark.parametrize("at", [0, 1, 2, 4, 8])
def test_answer_when_one_bit_of_it_flips_costs_one_row_and_blinds_nobody(at: int) -> None:
    """The master asks for one thing, without a pause: no other size and no silence ever comes."""
    scanner = listen(
        once(lambda asked: flipped(asked, at)), asks=ONE, devices=ONE_PLANS, rest_s=0.03,
        enough=rows_behind(20),
    )  # fmt: skip
    assert scanner.book["damaged"] == 1 and scanner.book["timeouts"] == 0
    assert scanner.qualities()[NO_ANSWER] == 0
    assert not scanner.link.devices()[0]["owed"]


def test_device_when_asked_for_one_thing_only_is_read_on_after_an_answer_that_never_came() -> None:
    plans = {1: [pairs((0,), period_ns=50 * PERIOD_NS)]}
    scanner = listen(once(lambda asked: []), asks=ONE, devices=plans, enough=rows_behind(3))
    assert scanner.book["timeouts"] == 1
    assert scanner.link.devices()[0]["owed"]


def test_answers_when_each_is_of_the_request_before_are_as_old_as_their_rows_say() -> None:
    """The same, and the answer that did not come is with the next request, and so on for ever."""
    owed: list[Asked] = []

    def shifted(asked: Asked) -> Iterable[Step]:
        owed.append(asked)
        if asked.number == STRUCK:
            return []
        return [answer(owed.pop(0))]

    plans = {1: [pairs((0,), period_ns=50 * PERIOD_NS)]}
    scanner = listen(shifted, asks=ONE, devices=plans, enough=rows_behind(3), rest_s=0.03)
    assert scanner.book["answers"] > STRUCK


@pytest.mark.parametrize("late", [True, False])
def test_unit_when_the_master_waits_for_its_answer_for_long_is_believed_again_at_once(
    late: bool,
) -> None:
    """The silence behind the request counts; so does an answer that comes late and alone."""

    def script(asked: Asked) -> Iterable[Step]:
        return [0.25, answer(asked), 0.002] if late else [0.6]

    scanner = listen(
        once(script), asks=SAME, devices=SAME_PLANS, enough=rows_behind(20), rest_s=0.0
    )
    assert scanner.book["timeouts"] == 1
    assert not scanner.link.devices()[0]["owed"]


def test_answer_when_it_takes_longer_than_the_timeout_on_a_slow_bus_is_read() -> None:
    """60 registers at 2400 baud are 133 characters, request and all: 550 ms, and 150 to wait."""

    def slow(asked: Asked) -> Iterable[Step]:
        frame = answer(asked)
        return [0.1, frame[:50], 0.15, frame[50:100], 0.15, frame[100:]]

    plans = {1: [pairs((0,), count=60, period_ns=25 * PERIOD_NS)]}
    scanner = listen(
        slow, asks=[(1, 3, 0, 60)], devices=plans, baud=2400, early_ns=450_000_000,
        enough=lambda scanner: scanner.good() >= 8,
    )  # fmt: skip
    assert scanner.book["timeouts"] == 0
    # Dated from its request, which some ticks came behind.
    assert any(row.mid_ns < row.due_ns for row in scanner.rows)


def test_request_when_repeated_looks_like_an_answer_s_head_and_is_not_waited_behind() -> None:
    """16 registers from 0x2000 on: the third byte of the request is that of the answer."""
    asks = [(1, 3, 0x2000, 16), (1, 3, 0x2000, 16), (2, 3, 0, 2)]
    plans = {2: [pairs((0,), device="d2", period_ns=2 * PERIOD_NS)]}
    scanner = listen(
        lambda asked: [] if asked.unit == 1 else honest(asked),
        asks=asks, devices=plans, rest_s=0.3, enough=lambda scanner: scanner.good() >= 5,
    )  # fmt: skip
    assert scanner.book["timeouts"] >= 10


class Apart:
    """A listener in a process of its own, that hears good values; `end` gives what it read."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stdout.readline() == "good\n"
        self.process = process

    @classmethod
    @contextmanager
    def listening(cls, master: OtherMaster, **more: str) -> Iterator[Apart]:
        """`more`: of its environment."""
        command = [sys.executable, "-m", "tests.kit.listen_apart", str(master.path)]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=os.environ | more
        ) as process:
            try:
                yield cls(process)
            finally:
                process.kill()

    def end(self) -> tuple[list[tuple[str, str]], int]:
        """The good (tag, value) pairs, and how many answers were late."""
        said, _ = self.process.communicate("enough\n", timeout=60)
        good, late = json.loads(said)
        return [tuple(pair) for pair in good], late


def wait_until(true: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(LOOKS):
        if true():
            return
        pause.wait(LOOK_S)
    raise NeverError


def test_answers_when_shifted_are_not_believed_after_a_stall_of_ours_either() -> None:
    """The bytes of the stall lie in the kernel: they are no sign of a silence."""
    owed: list[Asked] = []
    shift, stalled = Event(), [0]

    def script(asked: Asked) -> Iterable[Step]:
        if not shift.is_set():
            return [answer(asked)]
        owed.append(asked)
        if len(owed) == 1:
            return []
        old = answer(owed.pop(0))
        if asked.number % 20 == 0:
            apart.process.send_signal(signal.SIGSTOP)
            stalled[0] += 1
            return [old, 0.4]
        apart.process.send_signal(signal.SIGCONT)
        return [old]

    with OtherMaster(script, SAME) as master, Apart.listening(master) as apart:
        shift.set()
        wait_until(lambda: stalled[0] >= 6)
        good, late = apart.end()
    assert late > 50
    assert [pair for pair in good if pair[0] != pair[1]] == []


def test_answer_when_the_kernel_lost_what_was_before_it_is_not_taken_for_another_s(
    tmp_path: Path,
) -> None:
    """Lost from the end of a request to the end of the next: its answer is of the right size."""
    shim, lost = tmp_path / "lossy_port.so", tmp_path / "lost"
    source = Path(__file__).parent.parent / "kit" / "lossy_port.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", shim, source], check=True)
    lost.write_bytes(b"")
    begun = Event()

    def script(asked: Asked) -> Iterable[Step]:
        return [] if begun.is_set() and asked.number % 20 == 0 else honest(asked)

    def heard(asked: Asked) -> bytes:
        if begun.is_set() and asked.number % 20 == 1:
            with lost.open("ab") as file:
                file.write(b"\0")
            return b""
        return asked.frame

    with (
        OtherMaster(script, SAME, rest_s=0.06) as master,
        Apart.listening(master, LD_PRELOAD=str(shim), LOST_BYTES=str(lost)) as apart,
    ):
        master.heard = heard
        begun.set()
        wait_until(lambda: lost.stat().st_size >= 6)
        good, _ = apart.end()
    assert len(good) >= 20
    assert [pair for pair in good if pair[0] != pair[1]] == []
