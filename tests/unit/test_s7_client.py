"""The table of native/s7/protocol called as by the engine, against the simulated CPU."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from drivers.api import Request
from drivers.s7.request import STATE, Part, request_of
from drivers.s7.simulator import Plc
from drivers.s7.station import Station, station_of, tsap_of
from drivers.s7.stretch import Stretch
from native.s7.client import Client

GOOD, REFUSED, NOT_A_VALUE, NOT_ASKED = 1, 133, 137, 138
#: The CPU's mode is asked for in tests of that alone.
ADDRESS = station_of(0, 1)._replace(state_s=0)


def request(*items: Stretch, parts: Sequence[Part] | None = None) -> Request:
    """Each item whole, or its `parts`."""
    return request_of(items, parts or [Part(n, 0, "", i.size) for n, i in enumerate(items)])


def at(db: int, first: int, size: int) -> Stretch:
    return Stretch("DB", db, first, first + size)


def tpkt(payload: bytes, last: int = 0x80) -> bytes:
    return b"\x03\0" + (7 + len(payload)).to_bytes(2, "big") + bytes([2, 0xF0, last]) + payload


def cpu(**faults: Any) -> Plc:
    """A CPU with 1,000 bytes in DB1, no byte like its neighbours."""
    plc = Plc()
    plc.grow("DB", 1, 1000)[:] = bytes(7 * n % 251 for n in range(1000))
    for name, value in faults.items():
        setattr(plc.faults, name, value)
    return plc


def connected(
    *requests: Request, plc: Plc | None = None, station: Station = ADDRESS
) -> tuple[Client, Plc]:
    plc = plc or cpu()
    client = Client(station.encode(), requests)
    asked = client.begin()
    assert asked[5] == 0xE0 and client.window == 0
    state, setup = client.shake(bytes([3, 0, 0, 11, 6, 0xD0, 0, 1, 0, 1, 0]))
    assert state == "on"
    assert client.shake(tpkt(plc.answer(setup[7:]))) == ("ready", b"")
    return client, plc


def answer(plc: Plc, asked: bytes | tuple[int, int]) -> bytes:
    assert isinstance(asked, bytes), asked
    return tpkt(plc.answer(asked[7:]))


def test_client_when_it_begins_then_what_the_cpu_grants_counts() -> None:
    client, _ = connected(request(at(1, 0, 300)), plc=cpu(grant=240, jobs=3))
    assert client.window == 3
    assert client.ask(0) == (REFUSED, 0x8500), "one value that no answer has room for"
    client, _ = connected(request(at(1, 0, 4)), station=ADDRESS._replace(jobs=2))
    assert client.window == 2


def test_answer_when_every_part_is_there_then_good_and_in_the_row() -> None:
    client, plc = connected(request(at(1, 0, 5), at(1, 9, 1)), request(at(1, 20, 4)))
    held = plc.memory["DB", 1]
    assert client.take(answer(plc, client.ask(1))) == ("answer", 1, 0)
    assert client.take(answer(plc, client.ask(0))) == ("answer", 0, 0)
    assert client.take(b"") == ("more", -1, 0)
    assert client.parts() == [(GOOD, held[:5]), (GOOD, held[9:10]), (GOOD, held[20:24])]


def test_answer_when_an_item_failed_then_its_part_alone_is_bad() -> None:
    client, plc = connected(request(at(9, 0, 4), at(1, 0, 4), at(1, 998, 4), at(1, 4, 3)))
    held = plc.memory["DB", 1]
    assert client.take(answer(plc, client.ask(0)))[:2] == ("answer", 0)
    assert client.told == [(0, 0x0A), (2, 0x05)]
    assert client.parts() == [
        (REFUSED, bytes(4)), (GOOD, held[:4]), (REFUSED, bytes(4)), (GOOD, held[4:7]),
    ]  # fmt: skip


def test_answer_when_a_value_is_put_in_shape_then_in_a_part_of_its_own() -> None:
    plc = cpu()
    plc.memory["DB", 1][10:16] = b"\x04\x02OK~~"
    plc.memory["DB", 1][16:18] = bytes.fromhex("1050")
    plc.memory["DB", 1][18:20] = bytes.fromhex("0A00")
    plc.memory["DB", 1][20:24] = b"\x02\x03AB"
    parts = [
        Part(0, 0, "string", 4), Part(0, 6, "s5time", 0), Part(0, 8, "s5time", 0),
        Part(0, 10, "string", 2), Part(1, 0, "dtl", 0),
    ]  # fmt: skip
    client, plc = connected(request(at(1, 10, 14), at(9, 0, 12), parts=parts), plc=plc)
    assert client.take(answer(plc, client.ask(0)))[0] == "answer"
    assert client.parts() == [
        (GOOD, b"OK\0\0"), (GOOD, (5000).to_bytes(4, "big")), (NOT_A_VALUE, bytes(4)),
        (NOT_A_VALUE, bytes(2)), (REFUSED, bytes(8)),
    ]  # fmt: skip


def test_answer_when_late_then_never_taken_for_a_newer_request() -> None:
    requests = [request(at(1, 10 * n, 4)) for n in range(3)]
    client, plc = connected(*requests)
    late = [answer(plc, client.ask(n)) for n in range(3)]
    for n in range(3):
        client.give_up(n)
    for round_ in range(1100):
        n = round_ % 3
        mine = answer(plc, client.ask(n))
        for old in late:
            assert client.take(old) == ("foreign answer", -1, 0)
        assert client.take(mine) == ("answer", n, 0)
        assert client.parts()[n] == (GOOD, plc.memory["DB", 1][10 * n : 10 * n + 4])


def test_answers_when_several_fly_then_each_is_its_own_in_any_order() -> None:
    requests = [request(at(1, 10 * n, 4)) for n in range(4)]
    client, plc = connected(*requests)
    answers = [answer(plc, client.ask(n)) for n in range(4)]
    assert client.take(answers[2] + answers[0] + answers[3]) == ("answer", 2, 0)
    assert client.take(b"") == ("answer", 0, 0)
    assert client.take(answers[1]) == ("answer", 3, 0)
    assert client.take(b"") == ("answer", 1, 0)


@pytest.mark.parametrize("code", [0x8104, 0xD241])
def test_request_when_refused_as_a_whole_then_its_code(code: int) -> None:
    client, plc = connected(request(at(1, 0, 4), at(1, 8, 4)), plc=cpu(refuse=code))
    assert client.take(answer(plc, client.ask(0))) == ("refused", 0, code)
    assert [quality for quality, _ in client.parts()] == [NOT_ASKED, NOT_ASKED]


def test_request_when_the_cpu_has_no_resources_then_busy() -> None:
    client, plc = connected(request(at(1, 0, 4)), plc=cpu(refuse=0x8304))
    assert client.take(answer(plc, client.ask(0))) == ("busy", 0, 0x8304)


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        (b"", (4,)), (b"\x02" + at(1, 0, 4).encode() + bytes.fromhex("000000000004"), (4,)),
        (b"\x01" + bytes(12) + bytes.fromhex("000000000004"), (4,)),
        (b"\x01" + at(1, 0, 4).encode() + b"\x01", (4,)),
        (b"\x01" + at(1, 0, 4).encode() + bytes.fromhex("000000000004"), (4, 4)),
        (b"\x01" + at(1, 0, 4).encode() + bytes.fromhex("000000010004"), (4,)),
        (b"\x01" + at(1, 0, 4).encode() + bytes.fromhex("000000000000"), (4,)),
        (b"\x01" + at(1, 0, 4).encode() + bytes.fromhex("000000000004"), (3,)),
        (b"\x01" + at(1, 0, 4).encode() + bytes.fromhex("000000020002" "000000000002"), (2, 2)),
        (b"\x01" + at(1, 0, 4).encode() + bytes.fromhex("010000000003"), (3,)),
        (b"\x01" + at(1, 0, 4).encode() + bytes.fromhex("010100000002"), (2,)),
        (b"\x01" + at(1, 0, 4).encode() + bytes.fromhex("090000000000"), (4,)),
        (b"\x01" + at(1, 0, 4).encode() + bytes.fromhex("02000003FFFF"), (4,)),
        (b"\x01" + Stretch("C", 0, 0, 2).encode() + bytes.fromhex("000000010002"), (2,)),
        (b"\0\0", (1,)),
    ],
)  # fmt: skip
def test_words_when_they_are_none_then_nothing_is_sent(spec: bytes, parts: tuple[int, ...]) -> None:
    client, _ = connected(Request(spec, parts, 31, 40))
    assert client.ask(0) == (REFUSED, 1)


def test_state_when_asked_then_run_or_stop_or_refused() -> None:
    client, plc = connected(STATE)
    assert client.take(answer(plc, client.ask(0))) == ("answer", 0, 0)
    assert client.parts() == [(GOOD, b"\x08")]
    plc.faults.state = 4
    assert client.take(answer(plc, client.ask(0)))[0] == "answer"
    assert client.parts() == [(GOOD, b"\x04")]
    plc.faults.state = 0
    assert client.take(answer(plc, client.ask(0))) == ("refused", 0, 0xFC), "not: PUT/GET"


@pytest.mark.parametrize("size", [1, 7, 128])
def test_answer_when_in_fragments_and_byte_by_byte_then_whole(size: int) -> None:
    """What a fragment brings is kept, the fragment is done with."""
    client, plc = connected(request(at(1, 0, 900)))
    asked = client.ask(0)
    assert isinstance(asked, bytes)
    pdu = plc.answer(asked[7:])
    pieces = [pdu[n : n + size] for n in range(0, len(pdu), size)]
    data = b"".join(tpkt(p, 0x80 if n + 1 == len(pieces) else 0) for n, p in enumerate(pieces))
    said = [client.take(data[n : n + 1]) for n in range(len(data))]
    assert said.pop() == ("answer", 0, 0)
    assert said.count(("noise", -1, 0)) == len(pieces) - 1
    assert set(said) <= {("noise", -1, 0), ("more", -1, 0)}
    assert client.parts() == [(GOOD, plc.memory["DB", 1][:900])]


def test_fragments_when_the_connection_ends_between_them_then_none_is_of_the_next_answer() -> None:
    client, plc = connected(request(at(1, 0, 20)))
    asked = client.ask(0)
    assert isinstance(asked, bytes)
    assert client.take(tpkt(plc.answer(asked[7:])[:9], 0)) == ("noise", -1, 0)
    client.cut_off(0)
    client.begin()
    _, setup = client.shake(bytes([3, 0, 0, 11, 6, 0xD0, 0, 1, 0, 1, 0]))
    assert client.shake(tpkt(plc.answer(setup[7:]))) == ("ready", b"")
    assert client.take(answer(plc, client.ask(0))) == ("answer", 0, 0)
    assert client.parts() == [(GOOD, plc.memory["DB", 1][:20])]


def test_begin_when_the_cpu_hangs_up_on_a_tsap_then_the_next_is_called() -> None:
    client = Client(station_of(0, 2).encode(), [request(at(1, 0, 4))])
    called = [client.begin()[20:22].hex() for _ in range(4)]
    assert called == ["0302", "0202", "0302", "0202"], "never 01, the programmer's"
    assert client.shake(bytes([3, 0, 0, 11, 6, 0x80, 0, 1, 0, 1, 0])) == ("broken", b"")
    assert client.begin()[20:22].hex() == "0302"


def test_begin_when_the_negotiation_ends_the_connection_then_a_shorter_pdu_is_proposed() -> None:
    client = Client(ADDRESS.encode(), [request(at(1, 0, 4))])
    confirm = bytes([3, 0, 0, 11, 6, 0xD0, 0, 1, 0, 1, 0])
    proposed = []
    for _ in range(4):
        client.begin()
        state, setup = client.shake(confirm)
        assert state == "on"
        proposed.append(int.from_bytes(setup[23:25], "big"))
    assert proposed == [960, 480, 240, 960]


@pytest.mark.parametrize("granted", [0, 63, 961, 65535])
def test_negotiation_when_it_grants_nonsense_then_not_believed(granted: int) -> None:
    client = Client(ADDRESS.encode(), [request(at(1, 0, 4))])
    client.begin()
    _, setup = client.shake(bytes([3, 0, 0, 11, 6, 0xD0, 0, 1, 0, 1, 0]))
    pdu = cpu().answer(setup[7:])
    assert client.shake(tpkt(pdu[:-2] + granted.to_bytes(2, "big"))) == ("broken", b"")


@pytest.mark.parametrize(
    "address", [b"", bytes(6), ADDRESS.encode()[:-1], ADDRESS._replace(pdu=961).encode(),
                ADDRESS._replace(jobs=0).encode(), ADDRESS._replace(called=()).encode()]
)  # fmt: skip
def test_address_when_it_is_none_then_refused(address: bytes) -> None:
    with pytest.raises(ValueError, match="no address"):
        Client(address, [request(at(1, 0, 4))])


def test_station_when_written_as_in_tia_then_its_tsap() -> None:
    assert station_of(0, 1).called == (0x0301, 0x0201)
    assert station_of(1, 3).called == (0x0323, 0x0223)
    assert station_of(0, 1, tsap="02.00", local_tsap="10.00") == Station((0x0200,), 0x1000)
    for wrong in ("2.0", "0x0200", "02.0G", "", "0200 01"):
        with pytest.raises(ValueError, match="no TSAP"):
            tsap_of(wrong)
    with pytest.raises(ValueError, match="slot"):
        station_of(0, 32)


def test_client_when_frames_are_lost_doubled_and_late_then_every_good_part_is_true(
    seed: int,
) -> None:
    rng = random.Random(seed)
    requests = [request(at(1, 40 * n, 4 + n), at(1, 40 * n + 20, 3)) for n in range(6)]
    client, plc = connected(*requests)
    held, old, flying, answers = plc.memory["DB", 1], [b""], [], 0
    for _ in range(5000):
        flying = [n for n in range(6) if n not in flying and rng.random() < 0.5]
        frames = [answer(plc, client.ask(n)) for n in flying]
        old = (old + frames)[-50:]
        frames = [f for f in frames if rng.random() < 0.8]
        frames += rng.sample(old, rng.randint(0, min(3, len(old))))
        rng.shuffle(frames)
        verdict, about, _ = client.take(b"".join(frames))
        while verdict != "more":
            assert verdict in ("answer", "foreign answer")
            if verdict == "answer":
                flying.remove(about)
                answers += 1
                for (quality, data), n in zip(
                    client.parts()[2 * about :], (40 * about, 40 * about + 20), strict=False
                ):
                    assert quality == GOOD and data == held[n : n + len(data)]
            verdict, about, _ = client.take(b"")
        for n in flying:
            client.give_up(n)
    assert answers > 5000
