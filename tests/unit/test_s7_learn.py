"""What a CPU grants and refuses, and how it is asked from then on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from drivers.api import DeviceSpec, GroupPlan, LinkSpec, TagSpec
from drivers.learning import PartLearning
from drivers.s7.learn import APART, BELIEVED, SHORT, SPLIT, Learner
from drivers.s7.planner import plan_device
from drivers.s7.request import parts_of, stretch_of
from drivers.s7.stretch import Stretch

GRANTED = 960 << 16 | 8
DEVICE = DeviceSpec(
    "plc", LinkSpec("l", "tcp", host="127.0.0.1", tcp_port=102), "s7",
    tuple(TagSpec(f"t{n}", f"DB{1 + n // 4}.DBW{2 * (n % 4)}", "int16", 10**9) for n in range(8)),
)  # fmt: skip
(GROUP,) = plan_device(DEVICE).groups
SPEC = GROUP.requests[0].spec
T1, T2 = Stretch("DB", 1, 2, 4), Stretch("DB", 1, 4, 6)


def specs(learner: Learner, group: GroupPlan = GROUP) -> list[bytes]:
    return [request.spec for request in learner.replan(group).requests]


def said(learner: Learner) -> list[str]:
    return [told["id"] for told in learner.said()]


def test_learner_when_made_then_one_that_is_told_of_parts() -> None:
    assert isinstance(Learner(DEVICE), PartLearning)
    assert specs(Learner(DEVICE)) == [SPEC] and len(parts_of(SPEC)) == 8


def test_pdu_when_granted_then_plans_are_made_for_it_and_it_is_kept() -> None:
    learner = Learner(DEVICE)
    learner.granted(GRANTED)
    assert learner.limits.pdu == 960 and learner.revision == 1
    assert learner.said() == [{"id": "s7.granted", "args": {"pdu": 960, "jobs": 8}}]
    again = Learner(DEVICE, learner.kept())
    assert again.limits == learner.limits and again.revision == 1
    again.granted(GRANTED)
    assert again.revision == 1


def test_pdu_when_another_cpu_grants_less_then_all_that_was_learned_is_forgotten() -> None:
    learner = Learner(DEVICE)
    learner.granted(GRANTED)
    learner.refused_part(SPEC, 1, 5)
    learner.refused_part(SPEC, 3, SHORT)
    learner.granted(240 << 16 | 1)
    assert learner.limits.pdu == 240 and learner.limits.items == 20 and not learner.limits.holes
    assert said(learner) == ["s7.granted"]


@pytest.mark.parametrize(
    "kept",
    [{"items": 5}, {"granted": 10**6, "pdu": 240, "items": 5}, {"granted": 0, "pdu": 0, "items": 1},
     {"granted": 240, "pdu": 480, "items": 5}, {"granted": "x", "pdu": 240, "items": 5}],
)  # fmt: skip
def test_kept_when_it_is_something_else_then_refused(kept: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Learner(DEVICE, kept)


def test_pdu_when_longer_reads_are_refused_twice_then_a_shorter_one() -> None:
    learner = Learner(DEVICE)
    learner.granted(480 << 16 | 1)
    for _ in range(BELIEVED):
        assert learner.limits.pdu == 480
        learner.refused_part(SPEC, 20, SPLIT)
    assert learner.limits.pdu == 240 and "s7.learned_pdu" in said(learner)
    for _ in range(3):
        learner.refused_part(SPEC, 20, SPLIT)
    assert learner.limits.pdu == 240, "every CPU takes it"


def test_items_when_an_answer_lacks_some_then_no_more_at_once() -> None:
    learner = Learner(DEVICE)
    learner.refused_part(SPEC, 1, SHORT)
    assert learner.limits.items == 1 and said(learner) == ["s7.learned_items"]
    assert all(spec[0] == 1 for spec in specs(learner))


def test_part_when_refused_then_asked_by_itself_until_it_answers() -> None:
    learner = Learner(DEVICE)
    learner.refused_part(SPEC, 0, APART)
    learner.refused_part(SPEC, 1, 5)
    assert learner.limits.holes == (T1,) and learner.curious
    asked = specs(learner)
    alone = [spec for spec in asked if T1 in {stretch_of(spec, p) for p in parts_of(spec)}]
    assert len(alone) == 1 and len(parts_of(alone[0])) == 1
    assert learner.cause(133, 5) == {"id": "s7.optimised_block", "args": {"block": "DB1"}}
    assert learner.cause(129, 5) is None and learner.cause(133, 3) is None
    learner.answered(alone[0])
    assert not learner.curious and specs(learner) == [SPEC]
    assert learner.cause(133, 5) is None


def test_block_when_there_is_none_then_everything_of_it_is_asked_by_itself() -> None:
    learner = Learner(DEVICE)
    learner.refused_part(SPEC, 0, 0x0A)
    assert {hole.db for hole in learner.limits.holes} == {1} and len(learner.limits.holes) == 4
    assert len(specs(learner)) == 2, "the block's tags are one request"
    assert learner.cause(133, 0x0A) == {"id": "s7.no_block_named", "args": {"block": "DB1"}}


def test_blocks_when_several_are_not_there_then_each_is_named() -> None:
    places = ["DB21.DBW0", "DB3.DBW0", "M20.0", "DB100.DBW0", "DB4.DBW0", "DB5.DBW0"]
    tags = tuple(
        TagSpec(f"t{n}", at, "bool" if at[0] == "M" else "int16", 10**9)
        for n, at in enumerate(places)
    )
    (group,) = plan_device(replace(DEVICE, tags=tags)).groups
    for code, named in ((0x0A, {"block": "DB3, DB4, DB5, DB21 … +1"}), (5, None)):
        learner = Learner(replace(DEVICE, tags=tags))
        for request in group.requests:
            learner.refused(request.spec, code)
        told = learner.cause(133, code)
        assert (told and told["args"]) == named


def test_holes_when_said_then_as_step7_writes_them_and_many_as_a_number() -> None:
    learner = Learner(DEVICE)
    learner.refused_part(SPEC, 1, 5)
    assert learner.said() == [{"id": "s7.learned_hole", "args": {"where": "DB1.DBB2-3"}}]
    assert [str(s) for s in (Stretch("M", 0, 20, 21), Stretch("T", 0, 5, 7))] == ["MB20", "T5-6"]
    tags = tuple(TagSpec(f"t{n}", f"MW{2 * n}", "int16", 10**9) for n in range(9))
    (group,) = plan_device(replace(DEVICE, tags=tags)).groups
    learner.refused(group.requests[0].spec, 5)
    assert learner.said()[1:] == [{"id": "s7.learned_holes", "args": {"block": "M", "count": 9}}]


def test_request_when_nothing_of_it_is_given_then_its_parts_are_known() -> None:
    learner = Learner(DEVICE)
    learner.refused(SPEC, 5)
    assert len(learner.limits.holes) == 8
    assert learner.cause(133, 5) == {"id": "s7.optimised_block", "args": {"block": "DB1, DB2"}}
    learner.answered_in_part(SPEC, [1, 2])
    assert len(learner.limits.holes) == 6
    learner.refused(SPEC, 0x8104)
    assert len(learner.limits.holes) == 6, "that is not of these parts"


def test_stretch_when_refused_though_all_its_parts_answer_then_not_read_together() -> None:
    learner = Learner(DEVICE)
    for _ in range(BELIEVED + 1):
        assert learner.limits.apart == ()
        learner.refused_part(SPEC, 0, APART)
    (spec,) = specs(learner)
    assert spec[0] == 5 and learner.limits.holes == ()


def test_words_of_another_plan_when_told_then_nothing_breaks() -> None:
    learner = Learner(DEVICE)
    for spec in (b"\0", SPEC):
        learner.refused_part(spec, 60000, 5)
        learner.refused_part(spec, 60000, APART)
        learner.answered_in_part(spec, [])
    learner.refused(b"\0", 5)
    learner.answered(b"\0")
    assert learner.revision == 0
