"""The benchmark's own arithmetic: a ratio that is wrong harms more than none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from bench import __main__ as program
from bench import traces
from bench.harness import Figure, Goal, Row, cpu_us, document, interleaved, peer, rate, table
from bench.machine import addresses, answers
from bench.memory import DEVICES, GATEWAY, TAGS, configuration, slope_kb
from bench.modbus_rtu import on_wire, request_ns
from bench.report import BEGIN, END, markdown, number, placed
from drivers.api import TYPE_BYTES
from gateway.config import load
from tests.contract.pki import Authority

RESULT = {"requests": 1000.0, "wall_ns": 5e8, "cpu_ns": 2e6}


def row(ours: float, peer: float | None, goal: Goal | None) -> Row:
    theirs = Figure.of([peer]) if peer is not None else None
    return Row("P0", "work", "unit", Figure.of([ours]), "peer", theirs, goal)


def run(rows: list[Row]) -> str:
    return document(rows, rounds=5, command=["python", "-m", "bench", "P0"], broken={})


def test_figure_when_made_of_rounds_then_median_and_spread() -> None:
    assert Figure.of([5.0, 1.0, 3.0, 2.0, 9.0]) == Figure(3.0, 1.0, 9.0)


def test_results_when_read_then_rate_a_second_and_cpu_a_request() -> None:
    assert rate([RESULT]).median == 2000
    assert cpu_us([RESULT]).median == 2


@pytest.mark.parametrize(
    ("ours", "peer", "goal", "met"),
    [
        (12.0, 10.0, Goal("at least", 1.2), True),
        (11.9, 10.0, Goal("at least", 1.2), False),
        (7.0, 10.0, Goal("at most", 0.7), True),
        (7.1, 10.0, Goal("at most", 0.7), False),
        (0.8, None, Goal("at most", 0.8), True),
        (0.8, None, None, None),
        (0.8, 0.0, Goal("at most", 0.8), None),
    ],
)
def test_goal_when_compared_then_against_the_ratio_of_medians(
    ours: float, peer: float | None, goal: Goal | None, met: bool | None
) -> None:
    assert row(ours, peer, goal).met is met


def test_rounds_when_interleaved_then_each_leads_in_turn() -> None:
    order: list[str] = []

    def contender(name: str) -> dict[str, float]:
        order.append(name)
        return RESULT

    found = interleaved({name: partial(contender, name) for name in "abc"}, 5)
    assert "".join(order) == "abcbcacababcbca"
    assert [len(results) for results in found.values()] == [5, 5, 5]


def test_table_when_a_goal_is_missed_then_it_says_so() -> None:
    text = table([row(2.0, 1.0, Goal("at most", 1.0)), row(1.0, 1.0, Goal("at most", 1.0))])
    lines = text.splitlines()
    assert lines[1].endswith("NO")
    assert lines[2].endswith("yes")


def test_document_when_written_then_it_carries_value_and_verdict() -> None:
    found = json.loads(run([row(2.0, 4.0, Goal("at most", 0.4))]))
    assert found["rows"][0]["value"] == 0.5
    assert found["rows"][0]["met"] is False


@pytest.mark.parametrize("make", [traces.robot, traces.cnc, traces.meter])
def test_trace_when_made_from_a_seed_then_repeatable_and_sealed_whole(
    make: Callable[[int, int], traces.Trace],
) -> None:
    trace = make(7, 30)
    assert trace == make(7, 30)
    assert trace != make(8, 30)
    said = answers(trace)
    assert len(next(said)) == 2 * addresses(trace)[-1] + TYPE_BYTES[trace.types[-1]]


def test_trace_when_put_into_text_then_values_as_people_read_them() -> None:
    trace = traces.Trace(1, ("q", "u"), ("int16", "float32"), [(1234, 0.1)], (3, 0))
    assert trace.texts(0) == ["1.234", "0.1"]


def test_wire_when_a_master_keeps_the_silence_then_no_faster_than_the_formula() -> None:
    baud, registers, requests = 115_200, 4, 12
    result = on_wire([peer("rtu_master")], baud, requests, registers)
    assert (result["asked"], result["early"]) == (requests, 0)
    assert (requests - 1) * request_ns(baud, registers) <= result["span_ns"]


def test_memory_when_configured_then_each_device_has_its_tags(tmp_path: Path) -> None:
    Authority(tmp_path / "pki").issue("box", GATEWAY, [])
    file = tmp_path / "gateway.toml"
    addresses = [f"127.1.0.{n + 1}:502" for n in range(DEVICES)]
    file.write_text(configuration(8443, addresses), encoding="utf-8")
    loaded = load(file)
    assert loaded.problems == []
    assert loaded.config is not None
    assert [len(device.tags) for device in loaded.config.devices] == [TAGS] * DEVICES


def test_slope_when_memory_takes_one_step_then_none_and_when_it_leaks_then_its_rate() -> None:
    step = [(float(second), 50_000.0 if second < 20 else 50_132.0) for second in range(180)]
    leak = [(float(second), 50_000.0 + second) for second in range(180)]
    assert slope_kb(step) == 0
    assert slope_kb(leak) == pytest.approx(60)


def test_slope_when_an_hour_is_read_then_few_pairs_say_the_same() -> None:
    assert slope_kb([(float(second), second / 60) for second in range(3600)]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (12345.6, "12,346"), (0.98765, "0.988"), (7.0, "7")]
)
def test_number_when_shown_then_with_the_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_markdown_when_made_then_it_names_the_run_and_what_is_missed() -> None:
    rows = [row(2.0, 1.0, Goal("at most", 1.0)), row(1.0, 1.0, Goal("at most", 1.0))]
    text = markdown(run(rows))
    assert "`python -m bench P0`" in text
    assert "1 of 2 goals are met" in text
    assert "| P0 | work | unit | 2 | peer: 1 | 2 | ≤ 1 | **no** |" in text.splitlines()


@pytest.mark.parametrize("broken", ["", "{}", "[]", '{"machine": {}, "rows": [{}]}'])
def test_markdown_when_the_file_is_no_run_then_it_says_so(broken: str) -> None:
    with pytest.raises(ValueError, match="not a run of this bench"):
        markdown(broken)


def test_table_when_placed_then_only_what_lies_between_the_marks_changes() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = placed(page, "new")
    assert once == f"before\n{BEGIN}\n\nnew\n{END}\nafter\n"
    assert placed(once, "new") == once


def test_table_when_the_page_has_no_marks_then_it_says_which() -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        placed("page", "new")


@pytest.mark.parametrize(("options", "status"), [([], 0), (["--strict"], 1)])
def test_run_when_a_goal_is_missed_then_it_fails_only_if_strict(
    options: list[str],
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    latest = tmp_path / "results" / "latest.json"
    monkeypatch.setattr(program, "LATEST", latest)
    missed = row(2.0, 1.0, Goal("at most", 1.0))
    monkeypatch.setattr(program, "BENCHES", {"P0": lambda rounds: iter([missed])})
    monkeypatch.setattr("sys.argv", ["bench", "P0", *options])
    assert program.main() == status
    assert "1 of 1 goals are missed" in capsys.readouterr().out
    assert json.loads(latest.read_text())["rows"][0]["met"] is False


def test_run_when_a_bench_breaks_then_the_others_go_on_and_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(rounds: int) -> Iterator[Row]:
        yield row(1.0, None, None)
        raise RuntimeError("no such port")

    latest = tmp_path / "results" / "latest.json"
    monkeypatch.setattr(program, "LATEST", latest)
    whole = row(2.0, None, None)
    monkeypatch.setattr(program, "BENCHES", {"P0": broken, "P9": lambda rounds: iter([whole])})
    monkeypatch.setattr("sys.argv", ["bench"])
    assert program.main() == 1
    found = json.loads(latest.read_text())
    assert (found["broken"], len(found["rows"])) == ({"P0": "no such port"}, 2)
    assert "P0 broke: no such port" in capsys.readouterr().err
