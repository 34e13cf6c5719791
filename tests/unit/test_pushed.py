"""What the forecast makes of values that a source pushes."""

from __future__ import annotations

from itertools import islice

import pytest

from drivers.api import DeviceSpec, GroupPlan, LinkSpec, TagSpec
from drivers.host.events import batch
from drivers.mtconnect import DRIVER
from drivers.mtconnect.example import pushes
from gateway.cli.pushed import SPAN_NS, Foretold, jumping, tags_pushed
from gateway.cli.trial import Read, content_a_day

MS, S = 10**6, 10**9
X = TagSpec("x", "Xabs", "float64", S, report="change")
PARTS = TagSpec("parts", "part_count", "int32", S, report="change")
ALARM = TagSpec("alarm", "system", "string", S, report="change", length=20)
LOAD = TagSpec("load", "Sload", "float64", S)
OTHER = TagSpec("other", "Zwo", "float32", S, report="change")


def made(*tags: TagSpec) -> tuple[DeviceSpec, GroupPlan]:
    link = LinkSpec("cell", "tcp", host="h")
    device = DeviceSpec("lathe", link, "mtconnect", tags)
    (group,) = DRIVER.plan(device).groups
    return device, group


def test_pushes_when_the_machine_works_then_each_change_once_and_as_the_host_hands_it_on() -> None:
    device, group = made(X, PARTS, ALARM, LOAD)
    batches = pushes(device, group, S, "a", 20 * S)
    assert [b[0].at_ns for b in batches] == [number * S for number in range(1, 21)]
    events = [one for each in batches for one in each]
    assert [one.at_ns for one in events] == sorted(one.at_ns for one in events)
    assert [one.source_ns for one in events] == sorted(one.source_ns for one in events)
    assert [one.tag for one in events].count(0) == 200  # ten steps a second
    assert [one.tag for one in events].count(1) == 2
    assert {one.tag for one in events} == {0, 1}  # no alarm comes, and the load is not pushed
    often = pushes(device, group, 100 * MS, "a", 20 * S)
    assert len(often) == 200 and sum(map(len, often)) == len(events)


def test_pushes_when_it_is_an_adapter_then_at_once() -> None:
    device, group = made(X)
    adapter = DeviceSpec("lathe", device.link, "mtconnect", device.tags, framing="shdr")
    assert len(pushes(adapter, group, S, "a", 2 * S)) == 20


def test_pushes_when_the_machine_has_no_such_item_then_it_moves_by_its_type() -> None:
    device, group = made(OTHER)
    assert sum(map(len, pushes(device, group, S, "a", 2 * S))) == 20


def test_news_when_told_then_in_turns_for_ever_and_alike_devices_share_a_few() -> None:
    device, group = made(X, ALARM)
    foretold = Foretold()
    news = foretold.of(device, group, S)
    assert news is not None and news.every_ns == S
    assert news.events_a_day == pytest.approx(864_000)
    times = [b[0].at_ns for b in islice(news.all(), 2 * SPAN_NS // S)]
    assert times == [number * S for number in range(1, 121)]
    assert len({id(foretold.of(device, group, S)) for _ in range(100)}) <= 16


def test_news_when_all_jump_then_still_tags_too_at_each_scan() -> None:
    device, group = made(X, ALARM)
    jumped = jumping("mtconnect", group, Foretold().of(device, group, S))
    assert jumped is not None
    events = [one for each in jumped.batches for one in each]
    assert [one.tag for one in events].count(1) == SPAN_NS // S
    assert len({one.data for one in events}) == len(events)
    for each in jumped.batches:
        assert batch(group.tags, each).bad == 0 or group.tags[0].type == "float64"
    assert jumping("mtconnect", made(LOAD)[1], None) is None
    assert jumping("modbus", group, None) is None


def test_tags_when_counted_then_those_that_are_pushed() -> None:
    device, _ = made(X, ALARM, LOAD)
    assert tags_pushed([device, device]) == (4, 0)


@pytest.mark.parametrize("send_ns", [S // 2, 10 * S])
def test_content_when_values_are_pushed_then_more_by_what_they_weigh(send_ns: int) -> None:
    device, group = made(X, ALARM, LOAD)
    news = Foretold().of(device, group, S)

    def answers(read: Read, seed: str, count: int) -> list[bytes]:
        return DRIVER.example(read.plan, seed, count)

    without = content_a_day([Read("mtconnect", group, S)], send_ns, S // 2, answers)
    content = content_a_day([Read("mtconnect", group, S, (), news)], send_ns, S // 2, answers)
    assert news is not None
    # Of each: its value and the machine's own time.
    assert 5 < (content - without) / news.events_a_day < 20


def test_content_when_what_is_pushed_is_rare_then_costs_as_seldom() -> None:
    device, group = made(PARTS)
    news = Foretold().of(device, group, S)
    assert news is not None and news.every_ns == 10 * S

    def answers(read: Read, seed: str, count: int) -> list[bytes]:
        return DRIVER.example(read.plan, seed, count)

    rare = Read("mtconnect", group, 3600 * S, (), news)
    content = content_a_day([rare], S // 2, S // 2, answers)
    assert 20 < content / news.events_a_day < 120
