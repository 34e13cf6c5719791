"""A link to an S7 CPU in virtual time: late answers, fragments, slots, power cycles, TSAPs."""

from __future__ import annotations

import errno
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from drivers.s7.address import parse
from drivers.s7.simulator import SimTag
from drivers.s7.simulator.values import STEPS, value
from gateway.report.troubles import causes
from tests.kit.cpu import Cpu

GOOD, NO_ANSWER, DOUBTED, REFUSED = 1, 129, 67, 133
TIMEOUT_MS = 300.0
#: No two of them ever show the same value, but for 0.
TAGS = [
    SimTag("speed", parse("DB12.DBD4"), "int32"),
    SimTag("level", parse("DB900.DBW8"), "uint16"),
    SimTag("total", parse("MD24"), "int32"),
]
SHOWN = {tag.name: {str(value(tag, n)) for n in range(STEPS)} for tag in TAGS}


def good_again_ms(cpu: Cpu, since_ms: float) -> float:
    """When all tags were good again, after that moment."""
    at = Counter(row.at_ms for row in cpu.rows(since_ms) if row.quality == GOOD)
    return min(when for when, tags in at.items() if tags == len(TAGS))


@pytest.mark.parametrize("waits", [0.5, 0.9, 1.1, 1.5, 2.0, 3.0])
def test_answers_when_late_by_any_time_then_never_under_another_name(waits: float) -> None:
    """Row 6.1 of the field reports: each third answer late, three addresses, three values."""
    cpu = Cpu(TAGS, every_ms=100, link={"in_flight": 3})
    cpu.takes = lambda: waits * TIMEOUT_MS if cpu.plc.counter % 3 == 0 else 1.0
    cpu.run(60_000)
    cpu.finish()
    rows = cpu.rows()
    assert all(row.value in SHOWN[row.tag] for row in rows if row.quality == GOOD)
    assert Counter(row.quality for row in rows)[GOOD] > len(rows) // 3
    last: dict[int, int] = {}
    for at, reference in enumerate(cpu.references):
        assert at - last.get(reference, -1001) > 1000, "a reference came again"
        last[reference] = at


def test_references_when_many_requests_and_connections_then_none_comes_again() -> None:
    cpu = Cpu(TAGS, every_ms=20)
    for second in range(1, 60, 7):
        cpu.at(1000 * second, cpu.hang_up)
    cpu.run(60_000)
    assert cpu.connections > 8
    assert len(cpu.references) > 3000
    assert len(set(cpu.references)) == len(cpu.references)


@pytest.mark.parametrize("fragment", [1, 2, 3, 128])
def test_answer_when_of_the_longest_pdu_and_in_smallest_fragments_then_whole(
    fragment: int,
) -> None:
    """With their heads they are longer than all that a link keeps of its input."""
    text = SimTag("text", parse("DB1.DBB0"), "string", 200)
    more = [SimTag(f"w{n}", parse(f"DB1.DBW{202 + 2 * n}"), "uint16") for n in range(360)]
    cpu = Cpu([text, *more])
    cpu.plc.faults.fragment = fragment
    cpu.run(3000)
    cpu.finish()
    rows = cpu.rows()
    assert rows and {row.quality for row in rows} == {GOOD}
    assert cpu.native.snapshot()["wrong"] == 0
    longest = max(len(cpu.plc.memory["DB", 1]), 900)
    assert longest > 900, "one answer fills the PDU"


def test_slots_when_the_cpu_keeps_lost_connections_then_the_panels_stays() -> None:
    """Row 6.9: three slots, one a panel's; one that was lost is taken for another minute."""
    cpu = Cpu(TAGS, every_ms=500, own={"rack": 0, "slot": 1})
    held: list[float] = []  # until when the slots are taken that we lost
    most = 0

    def refuses(_: int) -> bool:
        nonlocal held, most
        held = [until for until in held if until > cpu.now_ms]
        most = max(most, len(held) + 1)
        return len(held) >= 2

    def cable_out() -> None:
        cpu.takes = lambda: None
        held.append(cpu.now_ms + 60_000)

    def cable_in() -> None:
        cpu.takes = lambda: 1.0

    cpu.refuses = refuses
    for begin in (5000, 30_000, 70_000):
        cpu.at(begin, cable_out)
        cpu.at(begin + 4000, cable_in)
    cpu.run(200_000)
    cpu.finish()
    assert good_again_ms(cpu, 9000) < 19_000
    assert good_again_ms(cpu, 140_000) < 150_000
    assert cpu.connections < 60, "it is not hammered"


OUTAGES = ["off at the start", "download", "power cycle", "cable", "another at its address"]


@pytest.mark.parametrize("outage", OUTAGES)
def test_cpu_when_it_was_away_for_any_reason_then_read_within_ten_seconds(outage: str) -> None:
    """Row 6.11: 40 s of it, and the connection that was there is none any more."""
    cpu = Cpu(TAGS, every_ms=200)
    begin_ms, end_ms = (0.0, 40_000.0) if outage == OUTAGES[0] else (20_000.0, 60_000.0)

    def away() -> None:
        if outage == "cable":
            cpu.takes = lambda: None
        elif outage == "another at its address":
            cpu.refuses = lambda _: True
            cpu.hang_up()
        else:
            cpu.rig.refuse(errno.ECONNREFUSED)
            cpu.hang_up()

    def back() -> None:
        cpu.takes, cpu.refuses = lambda: 1.0, lambda _: False
        cpu.rig.refuse(0)

    cpu.at(begin_ms, away)
    cpu.at(end_ms, back)
    cpu.run(end_ms + 30_000)
    cpu.finish()
    assert good_again_ms(cpu, end_ms) - end_ms < 10_000
    assert {row.quality for row in cpu.rows(end_ms + 10_000)} == {GOOD}
    assert not [
        row for row in cpu.rows(begin_ms + 1000) if row.at_ms < end_ms and row.quality == GOOD
    ], "nothing of before counts as new"


@pytest.mark.parametrize(
    ("own", "takes", "said"),
    [
        ({}, 0x0301, []),
        ({}, 0x0302, ["03.02"]),
        ({}, 0x0303, ["03.03"]),
        ({"slot": 1}, 0x0201, ["02.01"]),
        ({"tsap": "02.00"}, 0x0200, []),
    ],
)
def test_tsap_when_others_are_hung_up_on_then_found_and_said(
    own: dict[str, object], takes: int, said: list[str]
) -> None:
    """Row 6.14."""
    cpu = Cpu(TAGS, own=own)
    cpu.refuses = lambda called: called != takes
    cpu.run(20_000)
    assert {row.quality for row in cpu.rows(15_000)} == {GOOD}
    (device,) = cpu.runner.devices(False)
    found = [each["args"]["tsap"] for each in device["learned"] if each["id"] == "s7.called"]
    assert found == said


def test_tsap_when_slot_is_written_then_no_other_slot_is_called() -> None:
    """It may be another CPU in the same rack."""
    cpu, called = Cpu(TAGS, own={"slot": 3}), []

    def refuses(tsap: int) -> bool:
        called.append((cpu.now_ms, tsap))
        return True

    cpu.refuses = refuses
    cpu.run(60_000)
    assert {tsap for _, tsap in called} == {0x0303, 0x0203}
    late = [at for at, _ in called if at > 10_000]
    assert min(b - a for a, b in pairwise(late)) > 1000, "slowly"


def test_link_when_the_cpu_hangs_up_on_every_tsap_then_the_words_name_the_three_causes() -> None:
    cpu = Cpu(TAGS)
    cpu.refuses = lambda _: True
    cpu.run(10_000)
    (link,) = cpu.runner.links()
    assert link["cause"] == {"id": "s7.not_connected", "args": {"target": "127.0.0.1:102"}}
    cpu.refuses = lambda _: False
    cpu.run(20_000)
    (link,) = cpu.runner.links()
    assert link["cause"] is None
    assert good_again_ms(cpu, 10_000) < 15_000


def test_cpu_when_in_stop_then_values_are_uncertain_and_it_is_said() -> None:
    cpu = Cpu(TAGS)

    def said() -> tuple[set[int], Any]:
        since = cpu.now_ms
        cpu.run(since + 6000)
        (device,) = cpu.runner.devices(False)
        return {row.quality for row in cpu.rows(since + 4000)}, device["cause"]

    assert said() == ({GOOD}, None)
    cpu.plc.faults.state = 4
    assert said() == ({DOUBTED}, {"id": "s7.stopped", "args": {}})
    cpu.plc.faults.state = 8
    assert said() == ({GOOD}, None)
    cpu.plc.faults.state = 0  # an S7-1200 does not tell: nothing is doubted
    assert said() == ({GOOD}, None)


@pytest.mark.parametrize("blocks", [(12,), (12, 900)])
def test_cpu_when_in_stop_and_blocks_are_refused_then_status_has_both(
    blocks: tuple[int, ...],
) -> None:
    """Also where nothing is left of which the row says that it is doubted."""
    tags = [tag for tag in TAGS if tag.address.area == "DB"]
    cpu = Cpu(tags)
    cpu.run(2000)
    cpu.plc.faults.state = 4
    cpu.plc.faults.optimised = blocks
    cpu.run(12_000)
    told: Any = cpu.runner.devices(False)
    assert [each["id"] for each in causes(told)] == ["s7.optimised_block", "s7.stopped"]
    cpu.plc.faults.clear()
    cpu.run(30_000)
    (device,) = cpu.runner.devices(False)
    assert (device["state"], device["cause"], device.get("beside")) == ("good", None, None)
