"""The ticks of `_box`: whatever reading does, each tick is a row or lies in a gap."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from drivers import registry
from drivers.box.runner import BoxRunner
from drivers.box.tags import Value
from drivers.host.values import row_bytes
from drivers.quality import BAD_NO_ANSWER, BAD_NO_VALUE, GOOD
from native.block.latest import latest
from native.rows.group import Group, Pool
from tests.kit.rig import wait_for

PERIOD_NS = 50_000_000
Read = Callable[[], Mapping[str, Value]]


@contextmanager
def running(read: Read) -> Iterator[tuple[BoxRunner, Group]]:
    driver = registry.of_the_box()
    spec = driver.device(10**10, Path("/"), radio=True)
    spec = replace(spec, tags=tuple(replace(tag, every_ns=PERIOD_NS) for tag in spec.tags))
    plan = driver.plan(spec)
    group = Group(0, plan.groups[0], Pool())
    runner = BoxRunner(plan, group, read)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield runner, group
    finally:
        runner.stop()
        thread.join(5)
    assert not thread.is_alive()
    shown = group.snapshot()
    assert shown["ticks"] == shown["rows"] + sum(shown["skipped"].values()), "each is accounted"


def test_row_when_something_is_absent_then_has_no_value_and_the_device_is_good() -> None:
    with running(lambda: {"cpu_busy": 12.0, "operator": "中国移动", "signal": 70}) as (
        runner,
        group,
    ):
        wait_for("rows", lambda: group.snapshot()["rows"] >= 3)
        (device,) = runner.devices()
        row = latest(group)
    assert (device["state"], device["cause"]) == ("good", None)
    assert row is not None
    values = {tag.name: said for tag, said in zip(group.plan.tags, row[1], strict=True)}
    assert values["cpu_busy"] == (12.0, GOOD) and values["signal"] == (70, GOOD)
    assert values["operator"][1] == GOOD and values["under_voltage"][1] == BAD_NO_VALUE
    (link,) = runner.links()
    assert (link["name"], link["state"]) == ("_box", "up")


def test_ticks_when_reading_hangs_then_one_bad_row_and_a_gap_until_it_is_back() -> None:
    hang, go_on = threading.Event(), threading.Event()

    def read() -> Mapping[str, Value]:
        if hang.is_set():
            go_on.wait()
        return {"cpu_busy": 1.0}

    with running(read) as (runner, group):
        wait_for("rows", lambda: group.snapshot()["rows"] >= 2)
        hang.set()
        wait_for("a gap", lambda: group.snapshot()["skipped"].get("device_silent", 0) >= 3)
        (device,) = runner.devices()
        assert (device["state"], device["cause"]["id"]) == ("silent", "box.hangs")
        row = latest(group)
        assert row is not None and {quality for _, quality in row[1]} == {BAD_NO_ANSWER}
        turns = runner.turns
        wait_for("its thread to turn on", lambda: runner.turns > turns + 2)
        hang.clear()
        go_on.set()
        wait_for("it to be back", lambda: runner.devices()[0]["state"] == "good")


def test_ticks_when_reading_fails_then_the_thread_lives_on() -> None:
    calls = []

    def read() -> Mapping[str, Value]:
        calls.append(1)
        if len(calls) < 4:
            raise ValueError("what no kernel says")
        return {"cpu_busy": 1.0}

    with running(read) as (runner, group):
        wait_for("it to be good", lambda: runner.devices()[0]["state"] == "good")
        assert group.snapshot()["rows"] >= 2


def test_runner_when_stopped_while_reading_hangs_then_ends() -> None:
    go_on = threading.Event()
    with running(lambda: (go_on.wait() and {}) or {}):
        threading.Event().wait(0.2)
    go_on.set()


def test_example_when_asked_for_then_rows_of_the_right_size() -> None:
    driver = registry.of_the_box()
    (group,) = driver.plan(driver.device(60 * 10**9, Path("/"), radio=True)).groups
    made = driver.example(group, "a", 50)
    assert {len(row) for row in made} == {row_bytes(group.tags)} and len(set(made)) > 40
