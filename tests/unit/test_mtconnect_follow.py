"""What is known of an agent: restarts, lapped rings, repeats, conditions; and tags' values."""

from __future__ import annotations

from itertools import product

import pytest

from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.mtconnect import DRIVER
from drivers.mtconnect.address import AddressError, parse
from drivers.mtconnect.documents import DataItem, Document, Header, Observation
from drivers.mtconnect.follow import Follower
from drivers.mtconnect.reading import read

ITEMS = tuple(
    DataItem(item, name, category, "", (device, "", ""))
    for item, name, category, device in [
        ("xp", "Xact", "SAMPLE", "A"), ("b-xp", "Xact", "SAMPLE", "B"),
        ("e", "exec", "EVENT", "A"), ("c", "system", "CONDITION", "A"),
        ("pp", "path", "SAMPLE", "A"), ("ds", "vars", "EVENT", "A"),
    ]
)  # fmt: skip


def head(following: int, *, first: int = 1, instance: str = "7", created: int = 0) -> Header:
    return Header(instance, following, first, following - 1, 100, created)


def streams(header: Header, *ones: Observation) -> Document:
    return Document("Streams", header, observations=ones)


def seen(item: str, sequence: int, value: str, **more: object) -> Observation:
    return Observation(item, "", sequence, 5, value, **more)  # type: ignore[arg-type]


def condition(
    sequence: int, level: str, code: str = "", text: str = "", key: str = ""
) -> Observation:
    return seen("c", sequence, text, level=level, code=code, key=key or code)


def known(*ones: Observation, following: int = 10) -> Follower:
    follower = Follower()
    follower.probed(Document("Devices", head(following), items=ITEMS))
    assert follower.current(streams(head(following), *ones)) == "go_on"
    return follower


def value(follower: Follower, address: str, kind: str = "string") -> tuple[int, bytes]:
    tag = TagSpec("t", address, kind, 1, length=60 if kind == "string" else 0)  # type: ignore[arg-type]
    quality, data = read(follower, tag, parse(address))
    return quality, data.rstrip(b"\0") if kind == "string" else data


def test_everything_when_read_between_then_only_what_the_stream_left_out_is_taken() -> None:
    follower = known(seen("xp", 3, "1"), seen("e", 4, "A"))
    told: list[str] = []
    follower.told = lambda one: told.append(one.value)
    both = (seen("xp", 12, "9"), seen("e", 8, "B"))  # 12: still to be streamed; 8: never was
    assert follower.rejoined(streams(head(13), *both)) == "go_on"
    assert (follower.next_sequence, follower.behind, told) == (10, True, ["B"])
    assert value(follower, "xp") == (1, b"1") and value(follower, "e") == (1, b"B")
    assert follower.sampled(streams(head(13), seen("xp", 11, "8"), seen("xp", 12, "9"))) == "go_on"
    assert told == ["B", "8", "9"]
    # The ring no longer holds the position: a loss, and all is taken as it stands.
    assert follower.rejoined(streams(head(90, first=50), seen("xp", 80, "5"))) == "go_on"
    assert (follower.lost_max, follower.next_sequence, follower.behind) == (37, 90, False)
    assert value(follower, "xp") == (1, b"5")


def test_sample_when_it_goes_on_then_the_newest_stands() -> None:
    follower = known(seen("xp", 3, "1"))
    assert follower.sampled(streams(head(12), seen("xp", 11, "3"), seen("xp", 10, "2"))) == "go_on"
    assert (value(follower, "xp"), follower.next_sequence, follower.lost_max) == ((1, b"3"), 12, 0)


def test_sample_when_said_twice_then_dropped_and_counted() -> None:
    follower = known(seen("xp", 9, "new"))
    follower.sampled(streams(head(10), seen("xp", 2, "old")))
    assert (value(follower, "xp"), follower.repeated) == ((1, b"new"), 1)


def test_ring_when_it_ran_over_then_at_most_so_many_are_lost_and_current_is_read() -> None:
    follower = known(following=10)
    error = Document("Error", Header("7"), errors=(("OUT_OF_RANGE", ""),))
    assert follower.sampled(error) == "current"
    assert follower.jumped(streams(head(5010, first=4677), seen("xp", 5000, "9"))) == "go_on"
    assert (follower.lost_max, follower.overruns, follower.next_sequence) == (5000, 1, 5010)
    assert value(follower, "xp") == (1, b"9")


def test_ring_when_the_agent_goes_on_with_what_it_has_then_the_loss_is_counted() -> None:
    follower = known(following=10)
    follower.sampled(streams(head(41, first=30), seen("xp", 40, "1")))
    assert (follower.lost_max, follower.overruns) == (20, 1)


@pytest.mark.parametrize(
    "header",
    [
        head(500, instance="8"),
        head(3),
        Header("7", 0, created_ns=1),
    ],
    ids=["another instance", "sequence went back", "clock went back"],
)
def test_agent_when_it_restarted_then_probed_again_and_no_old_value_stands(header: Header) -> None:
    follower = known(seen("xp", 3, "1"))
    follower.header = head(10, created=10**18)
    assert follower.sampled(streams(header, seen("xp", 2, "5"))) == "probe"
    assert value(follower, "xp") == (139, b"")
    assert (follower.restarts, follower.lost_max) == (1, 0)


def test_agent_when_its_restart_is_seen_by_the_probe_then_forgotten_too() -> None:
    follower = known(seen("xp", 3, "1"))
    follower.probed(Document("Devices", Header("8"), items=ITEMS))
    assert follower.next_sequence == 0
    assert value(follower, "xp") == (139, b"")


def test_current_when_it_tells_what_no_sample_did_then_counted_and_taken() -> None:
    follower = known(seen("xp", 3, "1"), following=10)
    follower.sampled(streams(head(20), seen("e", 12, "READY")))
    assert follower.current(streams(head(20), seen("xp", 15, "7"))) == "go_on"
    assert (follower.missed, value(follower, "xp")) == (1, (1, b"7"))


def test_time_when_it_goes_back_then_order_is_the_sequence() -> None:
    follower = known(Observation("xp", "", 3, 100, "1"))
    follower.sampled(streams(head(11), Observation("xp", "", 10, 50, "2")))
    assert value(follower, "xp") == (1, b"2")
    assert value(follower, "xp@time", "int64") == (1, (50).to_bytes(8, "big"))


def test_unavailable_when_said_then_no_value_but_its_time() -> None:
    follower = known(seen("xp", 3, "UNAVAILABLE"), seen("e", 4, "ACTIVE"))
    assert value(follower, "xp", "float64") == (139, bytes(8))
    assert value(follower, "xp@time", "int64")[0] == 1
    assert value(follower, "exec=ACTIVE", "bool") == (1, b"\1")
    assert value(follower, "exec=READY", "bool") == (1, b"\0")
    assert value(follower, "exec", "bool") == (137, b"\0")


CONDITIONS = [
    ([], "NORMAL", 0, ""),
    ([condition(1, "FAULT", "9", "stop")], "FAULT 9 stop", 2, "9"),
    ([condition(1, "FAULT", "9", "a"), condition(2, "WARNING", "7", "b")],
     "FAULT 9 a; WARNING 7 b", 2, "9"),
    ([condition(1, "FAULT", "9"), condition(2, "WARNING", "7"), condition(3, "NORMAL", "9")],
     "WARNING 7", 1, "7"),
    ([condition(1, "FAULT", "9"), condition(2, "WARNING", "7"), condition(3, "NORMAL")],
     "NORMAL", 0, ""),
    ([condition(1, "FAULT", "9", "a"), condition(2, "FAULT", "9", "a")], "FAULT 9 a", 2, "9"),
    ([condition(1, "FAULT", "9", "a"), condition(2, "WARNING", "9", "b")], "WARNING 9 b", 1, "9"),
    ([condition(1, "FAULT", "9", key="k1"), condition(2, "NORMAL", "9")], "NORMAL", 0, ""),
    ([condition(1, "FAULT", "9", key="k1"), condition(2, "FAULT", "9", key="k2"),
      condition(3, "NORMAL", "", key="k1")], "FAULT 9", 2, "9"),
    ([condition(1, "FAULT", "", "x"), condition(2, "NORMAL")], "NORMAL", 0, ""),
]  # fmt: skip


@pytest.mark.parametrize(("story", "text", "level", "code"), CONDITIONS)
def test_condition_when_several_are_active_then_a_set(
    story: list[Observation], text: str, level: int, code: str
) -> None:
    follower = known(condition(1, "NORMAL"))
    moved = [seen_at(one, 10 + i) for i, one in enumerate(story)]
    follower.sampled(streams(head(30), *moved))
    assert value(follower, "system") == (1, text.encode())
    assert value(follower, "system", "int16") == (1, level.to_bytes(2, "big"))
    assert value(follower, "system@code") == (1, code.encode())
    assert value(follower, "system", "bool") == (1, bytes([level > 0]))


def seen_at(one: Observation, sequence: int) -> Observation:
    return Observation(
        one.item, one.name, sequence, one.time_ns, one.value,
        level=one.level, code=one.code, key=one.key,
    )  # fmt: skip


def test_condition_when_unavailable_then_none_is_active_and_no_value() -> None:
    follower = known(condition(3, "FAULT", "9"))
    follower.sampled(streams(head(11), condition(10, "UNAVAILABLE")))
    assert value(follower, "system") == (139, b"")
    follower.sampled(streams(head(12), condition(11, "NORMAL", "4")))
    assert value(follower, "system") == (1, b"NORMAL")


def test_current_when_it_names_several_conditions_then_these_are_all() -> None:
    follower = known(condition(3, "FAULT", "1"))
    both = condition(12, "FAULT", "2"), condition(13, "WARNING", "3")
    assert follower.current(streams(head(20), *both)) == "go_on"
    assert value(follower, "system") == (1, b"FAULT 2; WARNING 3")


def test_part_of_a_value_when_asked_then_that_part() -> None:
    follower = known(seen("pp", 3, "1.5 2.5 UNAVAILABLE"), seen("ds", 4, "", entries={"a": "1"}))
    assert value(follower, "path[1]", "float32") == (1, b"\x40\x20\0\0")
    assert value(follower, "path[2]", "float32")[0] == 139
    assert value(follower, "path[9]", "float32")[0] == 139
    follower.sampled(streams(head(11), seen("ds", 10, "", entries={"b": "2", "a": "UNAVAILABLE"})))
    assert (value(follower, "vars[a]"), value(follower, "vars[b]")) == ((139, b""), (1, b"2"))
    assert value(follower, "vars") == (1, b"b=2")
    follower.sampled(streams(head(12), seen("ds", 11, "", entries={"c": "3"}, is_reset=True)))
    assert value(follower, "vars") == (1, b"c=3")


def test_name_when_two_machines_have_it_then_refused_unless_the_machine_is_said() -> None:
    follower = known(seen("xp", 3, "1"), seen("b-xp", 4, "2"))
    assert value(follower, "Xact") == (133, b"")
    assert value(follower, "B/Xact") == (1, b"2")
    assert value(follower, "nothing") == (133, b"")


@pytest.mark.parametrize("text", ["", "a/b/c", "a[", "a@x", "a[1]b", "=x", "[1]", "a@time@code"])
def test_address_when_it_makes_no_sense_then_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse(text)


@pytest.mark.parametrize(
    ("address", "kind", "message"),
    [
        ("a/b/c", "string", "mtconnect.address_syntax"),
        ("a@when", "string", "mtconnect.address_aspect"),
        ("a=ACTIVE", "string", "mtconnect.equals_type"),
        ("a@time", "int32", "mtconnect.time_type"),
        ("a", "bcd16", "mtconnect.type"),
    ],
)
def test_check_when_a_tag_is_wrong_then_said_at_its_key(
    address: str, kind: str, message: str
) -> None:
    tag = TagSpec("t", address, kind, 1, length=4)  # type: ignore[arg-type]
    link = LinkSpec("l", "tcp", host="h", tcp_port=5000)
    (problem,) = DRIVER.check(DeviceSpec("m", link, "mtconnect", (tag,)))
    assert (problem.message, problem.key[:2]) == (message, ("tags", "t"))


@pytest.mark.parametrize("kind", ["serial", "udp", "listen"])
def test_check_when_the_link_is_no_tcp_then_said(kind: str) -> None:
    tag = TagSpec("t", "x", "float64", 1)
    device = DeviceSpec("m", LinkSpec("l", kind), "mtconnect", (tag,))  # type: ignore[arg-type]
    assert [problem.message for problem in DRIVER.check(device)] == ["mtconnect.link_type"]


def test_example_when_made_then_rows_of_the_plan_and_repeatable() -> None:
    tags = tuple(
        TagSpec(kind, "x", kind, 1 + i % 2, length=8 if kind == "string" else 0)  # type: ignore[arg-type]
        for i, kind in enumerate(("bool", "int16", "float32", "float64", "string", "uint64"))
    )
    device = DeviceSpec("m", LinkSpec("l", "tcp", host="h"), "mtconnect", tags)
    for group, seed in product(DRIVER.plan(device).groups, ("a", "b")):
        rows = DRIVER.example(group, seed, 5)
        assert rows == DRIVER.example(group, seed, 5)
        assert {len(row) for row in rows} == {sum(group.requests[0].parts)}
