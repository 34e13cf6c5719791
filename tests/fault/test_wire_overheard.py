"""`listen_only` on a real port: what the loop's thread makes of the time. What is believed of what
was heard stands in tests/unit/test_engine_overheard*.py, in virtual time; a bus of pymodbus in
tests/peer.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.modbus.planner import plan_device
from drivers.scan import open_links
from gateway.messages import remedy
from tests.kit.other_master import PLANS, QUIET_NS, SAME, OtherMaster
from tests.kit.scanner import LOOK_S, LOOKS, PERIOD_NS, NeverError, Scanner
from tests.kit.slave import Asked, Script, Step, answer

NOT_ASKED = 138


def wait_until(true: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(LOOKS):
        if true():
            return
        pause.wait(LOOK_S)
    raise NeverError


def test_bus_when_another_master_asks_is_read_and_nothing_is_sent() -> None:
    with OtherMaster() as master:
        scanner = Scanner(master, devices=PLANS, listen_only=True, timeout_ns=QUIET_NS)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 120)
    scanner.check()
    assert master.spoken == b"" and scanner.book["bytes_out"] == 0
    bad = [row for row in scanner.rows if row.quality != 1]
    assert {row.quality for row in bad} <= {NOT_ASKED}
    assert len(bad) <= len(scanner.rows) // 5


def shifted() -> Script:
    """From the hundredth request on each answer is that to the request before."""
    owed: list[Asked] = []

    def script(asked: Asked) -> Iterable[Step]:
        owed.append(asked)
        if len(owed) == 1 and asked.number < 100:
            return [answer(owed.pop())]
        return [answer(owed.pop(0))] if len(owed) > 1 else []

    return script


def test_device_when_its_answers_can_t_be_told_apart_says_so_with_the_way_out() -> None:
    with OtherMaster(shifted(), SAME) as master:
        path = str(master.path)
        link = LinkSpec("com2", "serial", port=path, listen_only=True, timeout_ns=QUIET_NS)
        tags = (TagSpec("t", "holding:100", "uint16", 2 * PERIOD_NS),)
        spec = DeviceSpec("d", link, "modbus", tags, framing="rtu")
        (runner,) = open_links([(link, [plan_device(spec)])], 0, {}).runners
        thread = Thread(target=runner.run)
        thread.start()
        try:
            wait_until(lambda: (runner.devices()[0]["cause"] or {}).get("id") == "device.owed")
        finally:
            runner.stop()
            thread.join()
    assert "com2" in remedy("device.owed", "zh", link="com2")


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
