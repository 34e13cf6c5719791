"""Answers that are not as the standard has them (field cases 2.11, 2.12, 2.16, 3.1, 3.2 and their
kind): read where they are proven ours, else told in true words. In virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

import pytest

from tests.kit.slave import Asked, Step, answer, refusal
from tests.kit.talk import Ask, Talk
from tests.kit.wired import Wired

Answering = Callable[[Asked], Iterable[Step]]


def honest(asked: Asked) -> Iterable[Step]:
    return [0.01, answer(asked)]


def wrong(talk: Talk) -> list[object]:
    """Good values that are not what stands at their address."""
    return [row for row in talk.rows() if row.quality == 1 and row.value != row.address]


def own_count() -> Answering:
    """Numbers its answers itself."""
    number = count(1)
    return lambda a: [0.01, answer(a, transaction=next(number) & 0xFFFF)]


ECHOLESS: dict[str, Callable[[], Answering]] = {
    "zero": lambda: lambda a: [0.01, answer(a, transaction=0)],
    "its own count": own_count,
}


@pytest.mark.parametrize("cut", [True, False], ids=["new connection", "same connection"])
@pytest.mark.parametrize("back", [False, True], ids=["echoed before", "echoes now"])
@pytest.mark.parametrize("how", ECHOLESS)
def test_device_when_replaced_by_one_of_the_other_kind_of_ids_then_is_read_again_soon(
    how: str, back: bool, cut: bool
) -> None:
    kinds = [honest, ECHOLESS[how]()]
    first, second = kinds[::-1] if back else kinds
    talk = Talk([Ask(1, (10, 20), 200)], first)
    talk.at(20_000, lambda: setattr(talk, "script", second))
    if cut:
        talk.at(20_000, lambda: talk.rig.hang_up(104))
    talk.run(60_000)
    talk.finish()
    assert wrong(talk) == []
    assert talk.good(since_ms=23_000) == 1
    assert talk.native.single is not back


@pytest.mark.parametrize("every_ms", [7, 40, 70, 120, 149])
@pytest.mark.parametrize("slow_s", [0.01, 0.15])
def test_answers_to_another_client_when_a_converter_shows_them_to_all_then_none_is_taken(
    every_ms: int, slow_s: float
) -> None:
    """Of the same unit, function and size, with ids that we never sent."""
    talk = Talk([Ask(1, (10, 20), 500)], lambda asked: [slow_s, answer(asked)])
    ids = count(40_000)

    def show() -> None:
        shown = Asked(0, 1, 3, 77, 1, next(ids) & 0xFFFF, talk.rig.now, b"", 0, "tcp")
        if talk.native.state == "up":
            talk.rig.feed(answer(shown))
        talk.at(talk.now_ms + every_ms, show)

    talk.at(5_000, show)
    talk.run(60_000)
    assert wrong(talk) == []
    assert not talk.native.single


def test_device_when_it_answers_the_request_before_then_its_ids_tell_and_nothing_is_good() -> None:
    """Whatever it says, it does echo ids: it is not believed by order."""
    before: list[Asked] = []

    def behind(asked: Asked) -> Iterable[Step]:
        before.append(asked)
        return [0.01, answer(before[-2])] if len(before) > 1 else []

    talk = Talk([Ask(1, (10, 20), 200)], behind)
    talk.run(120_000)
    assert talk.good() == 0
    assert not talk.native.single


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
def test_device_when_it_answers_the_request_before_then_a_probe_tells_and_nothing_is_wrong(
    framing: str,
) -> None:
    before: list[Asked] = []

    def behind(asked: Asked) -> Iterable[Step]:
        before.append(asked)
        return [0.01, answer(before[-2])] if len(before) > 1 else []

    talk = Talk([Ask(1, (10, 20), 200)], behind, framing)
    talk.run(300_000)
    assert wrong(talk) == []


def checked(asked: Asked, refused: bool = False) -> bytes:
    """The RTU frame, with its checksum, behind an MBAP header that counts it in."""
    frame = refusal(asked, 2) if refused else answer(asked)
    sum_ = crc(frame[6:])
    return frame[:4] + (len(frame) - 6 + 2).to_bytes(2) + frame[6:] + sum_


def crc(data: bytes) -> bytes:
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value.to_bytes(2, "little")


def pieces(data: bytes) -> list[Step]:
    return [step for byte in data for step in (bytes([byte]), 0.0005)]


HARMLESS: dict[str, Answering] = {
    "checksum behind the frame": lambda a: [0.01, answer(a) + crc(answer(a)[6:])],
    "checksum that comes later": lambda a: [0.01, answer(a), 0.002, crc(answer(a)[6:])],
    "checksum that is counted in": lambda a: [0.01, checked(a)],
    "a byte in front": lambda a: [0.01, b"\xfe" + answer(a)],
    "a byte in front, then in pieces": lambda a: [0.01, *pieces(b"\xfe" + answer(a))],
    "zeros in front, in pieces": lambda a: [0.01, *pieces(bytes(3) + answer(a))],
    "a zero behind": lambda a: [0.01, answer(a) + b"\0"],
    "in pieces": lambda a: [0.01, *pieces(answer(a))],
    "twice": lambda a: [0.01, answer(a) + answer(a)],
}


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("how", HARMLESS)
def test_answer_when_more_than_its_frame_comes_then_is_read_and_costs_nothing(
    how: str, in_flight: int
) -> None:
    talk = Talk([Ask(1, (10, 20, 300), 100)], HARMLESS[how], link={"in_flight": in_flight})
    talk.run(60_000)
    talk.finish()
    assert wrong(talk) == []
    assert talk.good() == 1
    books = talk.native.snapshot()
    # What was read all the same is nothing that `links` would have to tell.
    assert (books["reconnects"], books["timeouts"], talk.connections) == (0, 0, 1)
    assert books["wrong"] == 0 or how == "twice"


def test_refusal_when_its_checksum_is_counted_in_then_is_a_refusal() -> None:
    talk = Talk([Ask(1, (10, 20), 200)], lambda a: [0.01, checked(a, refused=a.address == 20)])
    talk.run(10_000)
    assert talk.good(address=10) == 1
    assert {row.quality for row in talk.rows(address=20)} == {133}


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
@pytest.mark.parametrize("more", [(b"\0", b""), (b"", b"\0"), (b"\xff\xfe", b""), (b"\0", b"\0")])
def test_frame_when_a_transceiver_adds_bytes_then_is_read(
    framing: str, more: tuple[bytes, bytes]
) -> None:
    talk = Talk([Ask(1, (10, 20), 200)], lambda a: [0.01, more[0] + answer(a) + more[1]], framing)
    talk.run(60_000)
    assert wrong(talk) == []
    assert talk.good() == 1


@pytest.mark.parametrize("byte", [0xFE, 0x00, 0x01, 0xFF])
@pytest.mark.parametrize("told", [True, False], ids=["in the file", "unknown"])
def test_heartbeat_when_it_comes_between_frames_of_mbap_then_costs_nothing(
    told: bool, byte: int
) -> None:
    talk = Talk([Ask(1, (10, 20), 200)], honest, link={"heartbeat": bytes([byte])} if told else {})

    def beat() -> None:
        talk.rig.feed(bytes([byte]))
        talk.at(talk.now_ms + 373, beat)

    talk.at(5, beat)  # the first while an answer is awaited
    talk.run(120_000)
    assert talk.good() == 1
    books = talk.native.snapshot()
    assert (books["reconnects"], books["timeouts"], books["wrong"]) == (0, 0, 0)


TOO_LONG = {"by one": 1, "as padding would be": 6, "absurd": 0xFF00}


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("padded", [True, False], ids=["padded", "not there"])
@pytest.mark.parametrize("more", TOO_LONG)
def test_answer_when_its_header_says_more_than_it_has_then_is_read(
    more: str, padded: bool, in_flight: int
) -> None:
    """Its own count of bytes is right."""
    extra = TOO_LONG[more]

    def script(asked: Asked) -> Iterable[Step]:
        frame = answer(asked)
        length = (len(frame) - 6 + extra) & 0xFFFF
        padding = bytes(extra if padded and extra < 9 else 0)
        return [0.01, frame[:4] + length.to_bytes(2) + frame[6:] + padding]

    talk = Talk([Ask(1, (10, 20, 300), 200)], script, link={"in_flight": in_flight})
    talk.run(60_000)
    talk.finish()
    assert wrong(talk) == []
    assert talk.good() == 1
    assert talk.native.snapshot()["reconnects"] == 0


@pytest.mark.parametrize("where", ["before", "behind", "alone"])
def test_frame_when_no_frame_then_what_comes_behind_it_is_read(where: str) -> None:
    """Its length is absurd, and it is nobody's."""
    junk = bytes.fromhex("0b0b 0000 ff06 01 03 02 0000")

    def script(asked: Asked) -> Iterable[Step]:
        if asked.number % 7:
            return [0.01, answer(asked)]
        if where == "alone":
            return [0.01, answer(asked), 0.05, junk]
        return [0.01, junk + answer(asked) if where == "before" else answer(asked) + junk]

    talk = Talk([Ask(1, (10, 20), 200)], script)
    talk.run(60_000)
    assert wrong(talk) == []
    assert talk.good() == 1
    assert talk.connections == 1


def longer(asked: Asked) -> bytes:
    return answer(asked, pdu=bytes([asked.function, 4, 0, 10, 0, 10]))


def lying(asked: Asked) -> bytes:
    """Its byte count is one more than there is."""
    return answer(asked, pdu=bytes([asked.function, 3]) + asked.data())


SAID: dict[str, tuple[Answering, dict[str, object]]] = {
    "longer": (
        lambda a: [0.01, longer(a)],
        {"id": "device.wrong_size", "args": {"bytes": 4, "asked": 2}},
    ),
    "another function": (
        lambda a: [0.01, answer(a, pdu=bytes([4, 2]) + a.data())],
        {"id": "device.wrong_function", "args": {"function": 4}},
    ),
}
SAID_TCP = {
    **SAID,
    "another unit": (
        lambda a: [0.01, answer(a, unit=0)],
        {"id": "device.wrong_unit", "args": {"answers": 0}},
    ),
    "a lying count": (
        lambda a: [0.01, lying(a)],
        {"id": "device.wrong_length", "args": {}},
    ),
}


@pytest.mark.parametrize(
    ("framing", "how"), [*(("tcp", how) for how in SAID_TCP), *(("rtu", how) for how in SAID)]
)
def test_device_when_it_answers_wrongly_then_told_how_and_nothing_is_good(
    framing: str, how: str
) -> None:
    """One tag, so that nothing is learned from it."""
    script, cause = SAID_TCP[how]
    talk = Wired([Ask(5, (10,), 500)], script, framing)
    talk.run(30_000)
    assert talk.good() == 0
    _, (device,) = talk.said()
    found = {"id": device["cause"]["id"], "args": device["cause"]["args"]}
    assert found["id"] == cause["id"]
    assert found["args"] | cause["args"] == found["args"]  # type: ignore[operator]
    assert talk.native.snapshot()["reconnects"] == 0


def test_device_when_all_it_says_is_as_another_unit_on_a_wire_then_that_is_said() -> None:
    talk = Wired([Ask(5, (10,), 500)], lambda a: [0.01, answer(a, unit=6)], "rtu")
    talk.run(30_000)
    assert talk.good() == 0
    _, (device,) = talk.said()
    assert device["cause"] == {"id": "device.other_unit", "args": {"unit": 5}}
