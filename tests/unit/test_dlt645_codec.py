"""The frames of native.dlt645.codec: worked examples, in one piece or byte by byte, and any bytes.

The requests of the examples are byte for byte what an independent package builds (tests/peer); the
simulator's frames, which share nothing with native/, make the rest.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.dlt645.simulator.frames import Frame, build, parse
from native.dlt645.codec import Codec, MeterRefusedError

METER = "123456789012"
#: identifier; request; answer; its data in the wire's order.
EXAMPLES = [
    (
        "02010100", "FEFEFEFE6812907856341268110433343435" "6B16",
        "FEFEFEFE68129078563412689106333434353456" "7716", "0123",
    ),
    (
        "00010000", "FEFEFEFE68129078563412681104333334336816",
        "681290785634126891083333343" "3AB896745CC16", "78563412",
    ),
]  # fmt: skip

meters = st.from_regex(r"\A[0-9]{12}\Z")
identifiers = st.binary(min_size=4, max_size=4) | st.binary(min_size=2, max_size=2)


def control(identifier: bytes) -> int:
    return 0x91 if len(identifier) == 4 else 0x81


def answer(meter: str, identifier: bytes, data: bytes, preamble: int = 4) -> bytes:
    frame = Frame(meter, control(identifier), identifier[::-1] + data)
    return build(frame, preamble)


def outcomes(codec: Codec, *pieces: bytes) -> list[tuple[str, bytes]]:
    """Every result but "more", until the pieces and what they left are used up."""
    found: list[tuple[str, bytes]] = []
    for piece in pieces:
        while True:
            try:
                result, data = codec.feed(piece)
            except MeterRefusedError as refused:
                result, data = "refused", bytes([refused.code])
            if result == "more":
                break
            found.append((result, data))
            piece = b""
    return found


def asked(meter: str = METER, identifier: str = "02010100", size: int | None = None) -> Codec:
    codec = Codec()
    codec.ask(meter, identifier, size)
    return codec


@pytest.mark.parametrize(("identifier", "request_", "answered", "data"), EXAMPLES)
def test_example_when_asked_and_answered_then_byte_for_byte_right(
    identifier: str, request_: str, answered: str, data: str
) -> None:
    codec = Codec()
    assert codec.ask(METER, identifier) == bytes.fromhex(request_)
    assert codec.feed(bytes.fromhex(answered)) == ("answer", bytes.fromhex(data))
    assert codec.meter == METER


def test_error_answer_when_no_such_data_then_its_error_word() -> None:
    with pytest.raises(MeterRefusedError) as refused:
        asked().feed(bytes.fromhex("6812907856341268D101358D16"))
    assert refused.value.code == 2


def test_address_when_asked_of_any_meter_then_its_answer_names_it() -> None:
    codec = Codec(preamble=0)
    assert codec.ask_address() == bytes.fromhex("68AAAAAAAAAAAA681300DF16")
    told = build(Frame(METER, 0x93, bytes.fromhex(METER)[::-1]))
    assert codec.feed(told) == ("answer", bytes.fromhex(METER)[::-1])
    assert codec.meter == METER


def test_request_when_of_1997_then_two_bytes_name_the_data() -> None:
    codec = Codec(preamble=0)
    assert parse(codec.ask(METER, "9010"))[0] == Frame(METER, 0x01, b"\x10\x90")


@pytest.mark.parametrize("meter", ["12345678901", "12345678901F", "AB3456789012", "1234567890123"])
def test_meter_when_not_twelve_digits_then_refused(meter: str) -> None:
    with pytest.raises(ValueError, match=r"meter|non-hexadecimal"):
        Codec().ask(meter, "02010100")


@given(meters, identifiers, st.binary(max_size=196), st.integers(0, 9), st.data())
def test_answer_when_cut_anywhere_then_the_same_as_in_one_piece(
    meter: str, identifier: bytes, data: bytes, preamble: int, draw: st.DataObject
) -> None:
    whole = answer(meter, identifier, data, preamble)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[a:b] for a, b in pairwise([0, *cuts, len(whole)])]
    for size in (None, len(data)):
        for fed in ([whole], pieces, [bytes([byte]) for byte in whole]):
            assert outcomes(asked(meter, identifier.hex(), size), *fed) == [("answer", data)]


@given(meters, st.binary(min_size=2, max_size=180), st.integers(1, 60))
def test_answer_when_of_several_frames_then_it_is_gathered_by_their_numbers(
    meter: str, data: bytes, piece: int
) -> None:
    parts = [data[at : at + piece] for at in range(0, len(data), piece)][:20]
    codec, name = Codec(), b"\x01\xff\x01\x00"
    codec.ask(meter, name[::-1].hex())
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        code = (0x91 if number == 0 else 0x92) | (0 if last else 0x20)
        tail = bytes([number]) if number else b""
        result, gathered = codec.feed(build(Frame(meter, code, name + part + tail)))
        if last:
            assert (result, gathered) == ("answer", b"".join(parts))
        else:
            assert (result, gathered) == ("partial", b"")
            more = parse(codec.more())[0]
            assert more == Frame(meter, 0x12, name + bytes([number + 1]))


def test_next_frame_when_it_has_another_number_then_not_taken() -> None:
    codec, name = asked(), b"\x00\x01\x01\x02"
    codec.feed(build(Frame(METER, 0xB1, name + b"\x01")))
    codec.more()
    assert codec.feed(build(Frame(METER, 0x92, name + b"\x02\x02")))[0] == "foreign answer"
    assert codec.feed(build(Frame(METER, 0x92, name + b"\x02\x01"))) == ("answer", b"\x01\x02")


def test_answer_when_it_never_ends_then_it_is_given_up_after_twenty_frames() -> None:
    codec, name = asked(), b"\x00\x01\x01\x02"
    codec.feed(build(Frame(METER, 0xB1, name + b"\x01")))
    with pytest.raises(ValueError, match="more than 20 frames"):
        for number in range(1, 30):
            codec.more()
            codec.feed(build(Frame(METER, 0xB2, name + b"\x02" + bytes([number]))))
    assert number == 20


@pytest.mark.parametrize(
    "front",
    [
        b"",
        b"\xfe",
        b"\x68",  # a second 68 in front
        b"\x68\x68\x68",
        bytes.fromhex("0103040001000209F2"),  # a Modbus frame
        bytes.fromhex("68129078563412689106"),  # the head of an answer that broke off
        b"\x00\xff\x16\x16\x68\x00",
    ],
)
def test_answer_when_dirt_is_in_front_then_found(front: bytes) -> None:
    whole = answer(METER, bytes.fromhex("02010100"), b"\x01\x23", preamble=0)
    found = outcomes(asked(size=2), front + whole, bytes(12))
    assert [one for one in found if one[0] == "answer"] == [("answer", b"\x01\x23")]


def test_answer_when_68_and_16_lie_in_it_then_taken_whole() -> None:
    inside = answer(METER, bytes.fromhex("02010100"), b"\x99\x99", preamble=0)
    disguised = bytes((value - 0x33) % 256 for value in inside)
    whole = answer(METER, bytes.fromhex("02010100"), disguised)
    size = len(disguised)
    pieces = [bytes([byte]) for byte in whole]
    assert outcomes(asked(size=size), *pieces) == [("answer", disguised)]


@pytest.mark.parametrize(
    ("frame", "result"),
    [
        (Frame("123456789013", 0x91, bytes.fromhex("000101020123")), "foreign answer"),
        (Frame("AAAAAAAAAAAA", 0x91, bytes.fromhex("000101020123")), "foreign answer"),
        (Frame(METER, 0x91, bytes.fromhex("000201020123")), "foreign answer"),
        (Frame(METER, 0x81, bytes.fromhex("10900123")), "foreign answer"),
        (Frame(METER, 0x94, b""), "foreign answer"),
        (Frame(METER, 0x91, b"\x00"), "foreign answer"),
        (Frame(METER, 0xD1, b"\x02\x00"), "foreign answer"),
        (Frame(METER, 0x11, bytes.fromhex("00010102")), "foreign request"),
        (Frame(METER, 0x91, bytes.fromhex("00010102010203")), "wrong size"),
        (Frame(METER, 0x91, bytes.fromhex("0001010201")), "wrong size"),
        (Frame(METER, 0x91, bytes.fromhex("00010102")), "wrong size"),
    ],
)
def test_frame_when_not_the_answer_asked_for_then_never_taken(frame: Frame, result: str) -> None:
    assert outcomes(asked(size=2), build(frame)) == [(result, b"")]


def test_echo_when_the_line_gives_it_then_the_answer_behind_it_counts() -> None:
    codec = Codec()
    echo = codec.ask(METER, "02010100", 2)
    whole = answer(METER, bytes.fromhex("02010100"), b"\x01\x23")
    assert outcomes(codec, echo + whole) == [("foreign request", b""), ("answer", b"\x01\x23")]


def test_answer_when_a_character_of_it_is_damaged_then_said() -> None:
    whole = bytearray(answer(METER, bytes.fromhex("02010100"), b"\x01\x23"))
    whole[-4] ^= 0x40
    assert outcomes(asked(size=2), bytes(whole)) == [("damaged", b"")]


@given(meters, st.binary(max_size=100), st.integers(0, 8 * 130), st.booleans())
def test_answer_when_one_bit_is_flipped_then_never_taken(
    meter: str, data: bytes, bit: int, byte_by_byte: bool
) -> None:
    """The sum finds every single bit of what it covers; FE in front mean nothing."""
    spoilt = bytearray(answer(meter, bytes.fromhex("02010100"), data, preamble=0))
    spoilt[bit // 8 % len(spoilt)] ^= 1 << bit % 8
    pieces = [bytes([b]) for b in spoilt] if byte_by_byte else [bytes(spoilt)]
    codec = asked(meter, size=len(data))
    assert "answer" not in [result for result, _ in outcomes(codec, *pieces)]


@given(st.binary(max_size=900), st.integers(1, 40))
@example(b"\x68" * 900, 1)
@example((b"\x68" + bytes(6) + b"\x68\x91\xc8") * 90, 7)
def test_bytes_when_random_then_refused_in_a_known_way_and_little_is_kept(
    noise: bytes, piece: int
) -> None:
    codec = asked(size=2)
    pieces = [noise[at : at + piece] for at in range(0, len(noise), piece)]
    results = {result for result, _ in outcomes(codec, *pieces)}
    assert results <= {"foreign answer", "foreign request", "damaged", "wrong size"}
    whole = answer(METER, bytes.fromhex("02010100"), b"\x01\x23")
    found = outcomes(codec, bytes(260), whole)
    assert ("answer", b"\x01\x23") in found, "the line did not come back"
