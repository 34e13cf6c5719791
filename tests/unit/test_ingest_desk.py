"""Checks by turns: who used least goes first, and nobody waits for another's."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.desk import BEGUN_BYTES_MAX, Desk
from ingest.refusal import RefusedError


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


def endless(stop: threading.Event, began: threading.Event) -> Iterator[int | str]:
    while not stop.is_set():
        began.set()
        yield 10_000
    yield "done"


def test_small_check_passes_endless_ones_of_other_gateways(desk: Desk) -> None:
    stop, began = threading.Event(), threading.Event()
    hostile = [desk.ask(f"mad-{n}", endless(stop, began)) for n in range(20)]
    assert began.wait(10)
    for _ in range(50):
        assert desk.ask("good", iter([1, "checked"])).result(10) == "checked"
    assert not any(one.done() for one in hostile)
    stop.set()
    assert [one.result(10) for one in hostile] == ["done"] * 20


def test_checks_of_one_gateway_end_in_their_order(desk: Desk) -> None:
    ended: list[int] = []

    def steps(number: int) -> Iterator[int | str]:
        for _ in range(5):
            yield 5_000
        ended.append(number)
        yield "checked"

    for future in [desk.ask("gw", steps(n)) for n in range(3)]:
        assert future.result(10) == "checked"
    assert ended == [0, 1, 2]


def test_refusal_is_a_result_and_a_fault_is_raised(desk: Desk) -> None:
    def refuses() -> Iterator[int]:
        yield 1
        raise RefusedError(pb.REJECT_REASON_MALFORMED, "so")

    def fails() -> Iterator[int]:
        yield 1
        raise KeyError("fault")

    assert isinstance(desk.ask("gw", refuses()).result(10), RefusedError)
    with pytest.raises(KeyError):
        desk.ask("gw", fails()).result(10)
    assert desk.ask("gw", iter(["still here"])).result(10) == "still here"


def test_checks_when_large_are_begun_few_at_a_time_and_a_small_one_passes(desk: Desk) -> None:
    """What a begun check unpacked stays in memory until its end."""
    begun: set[int] = set()
    stop, full = threading.Event(), threading.Event()

    def steps(number: int) -> Iterator[int | str]:
        begun.add(number)
        if len(begun) == 2:
            full.set()
        while not stop.is_set():
            yield 10_000
        yield "checked"

    size = BEGUN_BYTES_MAX // 2
    large = [desk.ask(f"mad-{n}", steps(n), size) for n in range(20)]
    assert full.wait(10)
    assert desk.ask("good", iter([1, "checked"]), 50_000).result(10) == "checked"
    assert len(begun) == 2
    stop.set()
    assert [one.result(10) for one in large] == ["checked"] * 20


def test_check_when_larger_than_all_that_may_be_begun_then_done_alone(desk: Desk) -> None:
    stop, began = threading.Event(), threading.Event()
    first = desk.ask("a", endless(stop, began), BEGUN_BYTES_MAX // 2)
    assert began.wait(10)
    huge = desk.ask("b", iter([1, "checked"]), 4 * BEGUN_BYTES_MAX)
    behind = desk.ask("c", iter([1, "checked"]), BEGUN_BYTES_MAX // 2)
    assert desk.ask("d", iter([1, "checked"])).result(10) == "checked"
    assert not huge.done() and not behind.done(), "no large one passes a larger one that waits"
    stop.set()
    assert [one.result(10) for one in (first, huge, behind)] == ["done", "checked", "checked"]


def test_check_when_cancelled_before_it_began_then_left_undone(desk: Desk) -> None:
    stop, began = threading.Event(), threading.Event()
    first = desk.ask("gw", endless(stop, began))
    assert began.wait(10)
    done: list[int] = []

    def steps(number: int) -> Iterator[int | str]:
        done.append(number)
        yield "checked"

    late = [desk.ask("gw", steps(number)) for number in range(3)]
    assert late[0].cancel() and late[1].cancel()
    stop.set()
    assert first.result(10) == "done" and late[2].result(10) == "checked"
    assert done == [2]
