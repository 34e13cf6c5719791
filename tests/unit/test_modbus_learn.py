"""Learning against a model of a device: holes anywhere, any longest read, noise."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import DeviceSpec, LinkSpec, TagSpec, ValueType
from drivers.modbus.address import Range
from drivers.modbus.learn import DOUBTS, Learner
from drivers.modbus.planner import locate, plan_device
from drivers.modbus.request import Read, reads_of

TCP = LinkSpec("cell", "tcp", host="127.0.0.1")


def device(*addresses: int, type_: ValueType = "uint16", every_ns: int = 10**9) -> DeviceSpec:
    tags = (TagSpec(f"t{a}", f"holding:{a}", type_, every_ns=every_ns) for a in addresses)
    return DeviceSpec("d", TCP, "modbus", tuple(tags))


class Model:
    """A device with registers that are not there and a longest read."""

    def __init__(self, missing: set[int], longest: int = 125, exception: int = 2) -> None:
        self.missing, self.longest, self.exception = missing, longest, exception
        self.requests = 0

    def refuses(self, request: Read) -> bool:
        self.requests += 1
        asked = range(request.address, request.address + request.count)
        return request.count > self.longest or any(a in self.missing for a in asked)

    def scan(self, spec: DeviceSpec, learner: Learner) -> None:
        """One scan of every group, and what the learner makes of it."""
        plan = plan_device(spec, learner.limits)
        for request in [r for group in plan.groups for r in reads_of(group)]:
            if self.refuses(request):
                learner.refused(request, self.exception)
            else:
                learner.answered(request)


def learn(spec: DeviceSpec, model: Model, scans: int = 60) -> Learner:
    learner = Learner(spec)
    for _ in range(scans):
        model.scan(spec, learner)
    return learner


def assert_learned(spec: DeviceSpec, model: Model, learner: Learner) -> None:
    """Every tag that can be read is, and those that cannot have requests of their own."""
    (group,) = plan_device(spec, learner.limits).groups
    for tag, field in zip(group.tags, group.fields, strict=True):
        at, request = locate(tag).range, reads_of(group)[field.part]
        own = Read(request.function, at.first, at.last - at.first + 1)
        if model.refuses(own):
            assert request == own
        else:
            assert not model.refuses(request), (tag, request)


@settings(max_examples=150)
@given(
    st.sets(st.integers(0, 150), min_size=1, max_size=25),
    st.sets(st.integers(0, 150), max_size=6),
    st.integers(4, 125),
    st.sampled_from([2, 3]),
    st.sampled_from(["uint16", "float32"]),
)
def test_device_with_any_holes_and_limit_is_learned_in_few_scans(
    tags: set[int], missing: set[int], longest: int, exception: int, type_: ValueType
) -> None:
    spec = device(*sorted(tags), type_=type_)
    model = Model(missing, longest, exception)
    learner = learn(spec, model)
    assert_learned(spec, model, learner)
    settled = learner.limits.revision
    for _ in range(3):
        model.scan(spec, learner)
    assert learner.limits.revision == settled


def test_device_without_refusals_is_never_planned_anew() -> None:
    spec = device(*range(200))
    learner = learn(spec, Model(set()), scans=5)
    assert learner.limits.revision == 0
    assert not learner.curious
    assert learner.said() == []


def test_longest_read_of_a_contiguous_map_is_learned_as_a_length() -> None:
    spec = device(*range(100))
    model = Model(set(), longest=60)
    learner = learn(spec, model)
    assert 50 <= learner.limits.max_registers <= 60
    assert learner.limits.holes == () and learner.limits.refused == ()
    assert learner.said() == [
        {"id": "learned.max_registers", "args": {"count": learner.limits.max_registers}}
    ]


def test_missing_register_between_tags_is_learned_as_a_hole() -> None:
    spec = device(0, 1, 2, 5, 6, 7)
    learner = learn(spec, Model({3}))
    assert learner.limits.holes == (Range("holding", 3, 4),)
    assert learner.limits.max_registers == 125
    (group,) = plan_device(spec, learner.limits).groups
    assert reads_of(group) == [Read(3, 0, 3), Read(3, 5, 3)]


def test_missing_tag_is_isolated_and_its_neighbours_read_together() -> None:
    spec = device(*range(20))
    learner = learn(spec, Model({7}))
    (group,) = plan_device(spec, learner.limits).groups
    assert reads_of(group) == [Read(3, 0, 7), Read(3, 7, 1), Read(3, 8, 12)]
    assert learner.said() == [{"id": "learned.hole", "args": {"first": "holding:7", "last": 7}}]


def test_missing_tag_among_many_is_found_in_few_refusals() -> None:
    spec = device(*range(100))
    learner, model, refusals = Learner(spec), Model({63}), 0
    for _ in range(30):
        before = learner.limits
        model.scan(spec, learner)
        refusals += learner.limits != before
    assert refusals <= 16


def test_refused_tag_that_answers_again_joins_its_neighbours() -> None:
    spec = device(*range(10))
    model = Model({4})
    learner = learn(spec, model)
    model.missing = set()
    model.scan(spec, learner)
    (group,) = plan_device(spec, learner.limits).groups
    assert reads_of(group) == [Read(3, 0, 10)]


@pytest.mark.parametrize("noise", range(10))
def test_single_refusals_of_noise_set_nothing_aside(noise: int, rng: random.Random) -> None:
    spec = device(*range(10))
    learner = Learner(spec)
    request = Read(3, 0, 10)
    for _ in range(50):
        if rng.random() < 0.3:
            learner.refused(request, 2)
        learner.answered(request)
    assert learner.limits.revision == 0, noise


def test_request_once_answered_is_doubted_long_before_it_is_cut() -> None:
    spec = device(*range(10))
    learner = Learner(spec)
    request = Read(3, 0, 10)
    learner.answered(request)
    for _ in range(DOUBTS - 1):
        learner.refused(request, 2)
    assert learner.limits.revision == 0
    learner.refused(request, 2)
    assert learner.limits.cuts == (("holding", 5),)


@pytest.mark.parametrize("exception", [4, 5, 6, 10, 11, 0x80])
def test_other_exceptions_teach_nothing(exception: int) -> None:
    learner = Learner(device(*range(10)))
    for _ in range(20):
        learner.refused(Read(3, 0, 10), exception)
    assert learner.limits.revision == 0


def test_refused_function_sets_all_its_tags_aside_at_once() -> None:
    spec = device(*range(5))
    learner = Learner(spec)
    for _ in range(2):
        learner.refused(Read(3, 0, 5), 1)
    assert len(learner.limits.refused) == 5


def test_limits_learned_survive_a_restart_as_json() -> None:
    spec = device(*range(100))
    model = Model({40}, longest=30)
    learned = learn(spec, model)
    kept = json.loads(json.dumps(learned.limits.to_json()))
    again = Learner(spec, kept)
    model.requests = 0
    before = again.limits
    model.scan(spec, again)
    assert again.limits == before
    assert again.limits.max_registers == learned.limits.max_registers
