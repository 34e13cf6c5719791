"""What a CPU refuses of a read, in the scan in which it refuses it: everything else is read."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from drivers.api import Request
from drivers.s7.request import Part, request_of
from drivers.s7.simulator import Plc
from drivers.s7.stretch import Stretch, room_of
from native.s7.client import Client
from tests.unit.test_s7_client import ADDRESS, GOOD, REFUSED, answer, at, connected, cpu

APART, SPLIT, SHORT, TOO_LONG = 0x00FD, 0x00FE, 0x00FF, 0x8500


def words(*parts: tuple[int, int, int], items: Sequence[Stretch]) -> Request:
    """(item, offset, bytes) of each part."""
    return request_of(items, [Part(item, at_, "", size) for item, at_, size in parts])


def fly(client: Client, plc: Plc, number: int = 0) -> tuple[str, int, list[tuple[int, int]]]:
    """Ask until it is over: the verdict, how many questions it took, what was told."""
    asked, told = client.ask(number), list[tuple[int, int]]()
    for questions in range(1, 500):
        assert isinstance(asked, bytes) and len(asked) - 7 <= plc.faults.grant
        verdict, about, _ = client.take(answer(plc, asked))
        told += client.told
        assert about == number
        if verdict != "partial":
            return verdict, questions, told
        asked = client.go_on(number)
    raise AssertionError("it goes on for ever")


def test_stretch_when_its_end_is_not_there_then_the_rest_of_it_is_read_at_once() -> None:
    item = at(1, 990, 16)  # the block has 1,000 bytes
    request = words((0, 0, 4), (0, 4, 4), (0, 8, 4), (0, 12, 4), items=[item])
    client, plc = connected(request)
    assert fly(client, plc) == ("answer", 2, [(0, APART), (2, 5), (3, 5)])
    held = plc.memory["DB", 1]
    assert client.parts() == [
        (GOOD, held[990:994]), (GOOD, held[994:998]), (REFUSED, bytes(4)), (REFUSED, bytes(4)),
    ]  # fmt: skip


def test_stretch_when_there_is_no_such_block_then_its_parts_are_not_asked_for() -> None:
    request = words((0, 0, 2), (0, 2, 2), (1, 0, 2), items=[at(9, 0, 4), at(1, 0, 2)])
    client, plc = connected(request)
    assert fly(client, plc) == ("answer", 1, [(0, 0x0A)])
    assert [quality for quality, _ in client.parts()] == [REFUSED, REFUSED, GOOD]


def test_read_when_nothing_of_it_is_given_then_refused_with_the_items_code() -> None:
    client, plc = connected(words((0, 0, 2), (0, 2, 2), items=[at(1, 998, 4)]))
    plc.faults.optimised = (1,)
    asked = client.ask(0)
    assert client.take(answer(plc, asked))[:2] == ("partial", 0)
    assert client.take(answer(plc, client.go_on(0))) == ("refused", 0, 5)


@pytest.mark.parametrize("culprit", [0, 7, 19])
def test_read_when_one_item_spoils_it_then_all_others_are_read_in_the_same_scan(
    culprit: int,
) -> None:
    items = [at(1, 10 * n, 2) for n in range(20)]
    client, plc = connected(words(*((n, 0, 2) for n in range(20)), items=items))
    plc.faults.spoilt = (10 * culprit,)
    verdict, questions, told = fly(client, plc)
    assert verdict == "answer" and questions <= 16
    assert (culprit, TOO_LONG) in told and (20, SPLIT) in told
    for n, (quality, data) in enumerate(client.parts()):
        assert quality == (REFUSED if n == culprit else GOOD)
        assert n == culprit or data == plc.memory["DB", 1][10 * n : 10 * n + 2]


def test_answer_when_it_lacks_items_then_the_rest_is_asked_for_as_many_at_once() -> None:
    items = [at(1, 4 * n, 2) for n in range(19)]
    client, plc = connected(words(*((n, 0, 2) for n in range(19)), items=items))
    plc.faults.items = 8
    assert fly(client, plc) == ("answer", 3, [(8, SHORT)])
    assert all(quality == GOOD for quality, _ in client.parts())


def test_plan_when_the_cpu_grants_less_than_it_was_made_for_then_no_value_is_missed_or_torn() -> (
    None
):
    items = [at(1, 0, 400), at(1, 500, 300)]
    parts = [(0, n, 8) for n in range(0, 400, 8)] + [(1, n, 4) for n in range(0, 300, 4)]
    client, plc = connected(words(*parts, items=items), plc=cpu(grant=240))
    verdict, questions, told = fly(client, plc)
    assert (verdict, questions, told) == ("answer", 4, [])
    held = plc.memory["DB", 1]
    for (item, offset, size), found in zip(parts, client.parts(), strict=True):
        first = items[item].first + offset
        assert found == (GOOD, held[first : first + size])


def test_cpu_when_it_takes_less_than_it_granted_then_read_all_the_same() -> None:
    parts = [(0, n, 4) for n in range(0, 400, 4)]
    client, plc = connected(words(*parts, items=[at(1, 0, 400)]), plc=cpu(grant=480, real=240))
    verdict, questions, told = fly(client, plc)
    assert (verdict, questions, told) == ("answer", 3, [(1, SPLIT)])
    assert all(quality == GOOD for quality, _ in client.parts())


def test_timers_when_read_in_pieces_then_counted_in_twos() -> None:
    plc = cpu(grant=64)
    plc.grow("T", 0, 200)[:] = bytes(range(200))
    parts = [(0, n, 2) for n in range(0, 120, 2)]
    client, plc = connected(words(*parts, items=[Stretch("T", 0, 20, 80)]), plc=plc)
    assert fly(client, plc)[0] == "answer"
    for n, found in enumerate(client.parts()):
        assert found == (GOOD, bytes([40 + 2 * n, 41 + 2 * n]))


def test_anything_when_refused_in_any_way_then_what_can_be_read_is_true_and_good(
    seed: int,
) -> None:
    rng = random.Random(seed)
    for _ in range(400):
        items, parts = [], []
        for n in range(rng.randint(1, 20)):
            db, first = rng.choice([1, 1, 1, 2]), rng.randrange(0, 900)
            items.append(at(db, first, rng.choice([2, 7, 40, 200])))
            offset = 0
            while offset < items[-1].size and (offset == 0 or rng.random() < 0.8):
                size = min(rng.choice([1, 2, 3, 8, 30]), items[-1].size - offset)
                parts.append((n, offset, size))
                offset += size + rng.choice([0, 0, 1, 5])
        grant = rng.choice([240, 480, 960])
        plc = cpu(grant=grant, real=rng.choice([0, 0, 240]), items=rng.choice([0, 0, 1, 7]))
        plc.grow("DB", 2, 1100)[:] = bytes(11 * n % 253 for n in range(1100))
        plc.faults.optimised = rng.choice([(), (2,), (1, 2)])
        plc.faults.spoilt = (rng.choice(items).first,) if rng.random() < 0.3 else ()
        client, plc = connected(words(*parts, items=items), plc=plc)
        if grant < 960 and rng.random() < 0.5:
            plc.memory["DB", 1] = plc.memory["DB", 1][: rng.randrange(1, 1000)]
        verdict, _, _ = fly(client, plc)
        if verdict == "refused":
            assert not any(readable(plc, items[i], o, s) for i, o, s in parts)
            continue
        for (item, offset, size), (quality, data) in zip(parts, client.parts(), strict=True):
            well = readable(plc, items[item], offset, size)
            assert quality == (GOOD if well else REFUSED)
            first = items[item].first + offset
            assert not well or data == plc.memory["DB", items[item].db][first : first + size]


def readable(plc: Plc, item: Stretch, offset: int, size: int) -> bool:
    """Whether the CPU gives that part by itself."""
    first = item.first + offset
    return (
        item.db not in plc.faults.optimised
        and first + size <= len(plc.memory["DB", item.db])
        and not any(item.db == 1 and first <= n < first + size for n in plc.faults.spoilt)
    )


def test_state_when_it_is_stop_then_what_is_read_is_uncertain_until_it_runs() -> None:
    station = ADDRESS._replace(state_s=1)
    client, plc = connected(
        words((0, 0, 2), items=[at(1, 0, 2)]), plc=cpu(state=4), station=station
    )
    assert client.take(answer(plc, client.ask(0)))[0] == "answer", "the CPU's mode"
    assert client.take(answer(plc, client.ask(0)))[0] == "answer"
    assert client.parts() == [(67, plc.memory["DB", 1][:2])]


@pytest.mark.parametrize("hang_ups", [1, 2])
def test_state_when_the_cpu_hangs_up_on_the_question_then_it_is_left_alone_with_it(
    hang_ups: int,
) -> None:
    request = words((0, 0, 2), items=[at(1, 0, 2)])
    client, plc = connected(request, station=ADDRESS._replace(state_s=1))
    for _ in range(hang_ups):
        asked = client.ask(0)
        assert isinstance(asked, bytes) and asked[8] == 7
        client.cut_off(0)
        _, setup = client.begin(), client.shake(bytes([3, 0, 0, 11, 6, 0xD0, 0, 1, 0, 1, 0]))[1]
        assert client.shake(answer(plc, setup)) == ("ready", b"")
    asked = client.ask(0)
    assert isinstance(asked, bytes) and asked[8] == (7 if hang_ups == 1 else 1)


def test_state_when_the_question_is_never_answered_then_the_values_are_read() -> None:
    request = words((0, 0, 2), items=[at(1, 0, 2)])
    client, plc = connected(request, station=ADDRESS._replace(state_s=1))
    client.ask(0)
    client.give_up(0)
    assert fly(client, plc) == ("answer", 1, [])
    assert client.parts() == [(GOOD, plc.memory["DB", 1][:2])]


def test_state_when_the_cpu_does_not_tell_it_then_unknown_and_the_values_good() -> None:
    station = ADDRESS._replace(state_s=1)
    client, plc = connected(
        words((0, 0, 2), items=[at(1, 0, 2)]), plc=cpu(state=0), station=station
    )
    assert client.take(answer(plc, client.ask(0)))[0] == "in vain"
    assert client.take(answer(plc, client.ask(0)))[0] == "answer"
    assert client.parts() == [(GOOD, plc.memory["DB", 1][:2])]


def test_room_when_a_request_is_as_long_as_the_pdu_then_it_is_one() -> None:
    for pdu in (240, 480, 960):
        size = room_of(pdu).longest
        client, plc = connected(words((0, 0, size), items=[at(1, 0, size)]), plc=cpu(grant=pdu))
        assert fly(client, plc) == ("answer", 1, [])
