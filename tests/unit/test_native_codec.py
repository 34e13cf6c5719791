"""The frames of native.modbus.codec: worked examples, in one piece or byte by byte, and any bytes.

The examples' checksums were computed apart from this project and checked against pymodbus; the
simulator's frames, which share nothing with native/, make the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from drivers.modbus.simulator.frames import FRAMINGS
from native.crc import crc16, crc32c, crc32c_by_tables, lrc
from native.modbus.codec import Codec, ModbusExceptionError

#: framing; unit, function, address, count, transaction; request; answer; its data.
EXAMPLES = [
    (
        "rtu", (17, 3, 107, 3, 1), bytes.fromhex("1103006B00037687"),
        bytes.fromhex("110306022B00000064C8BA"), bytes.fromhex("022B00000064"),
    ),
    (
        "ascii", (17, 3, 107, 3, 1), b":1103006B00037E\r\n",
        b":110306022B0000006455\r\n", bytes.fromhex("022B00000064"),
    ),
    (
        "rtu", (1, 4, 0, 2, 1), bytes.fromhex("01040000000271CB"),
        bytes.fromhex("010404436633341B38"), bytes.fromhex("43663334"),
    ),
    (
        "rtu", (1, 1, 19, 37, 1), bytes.fromhex("0101001300250C14"),
        bytes.fromhex("010105CD6BB20E1B44EA"), bytes.fromhex("CD6BB20E1B"),
    ),
    (
        "tcp", (1, 3, 0, 2, 1), bytes.fromhex("000100000006010300000002"),
        bytes.fromhex("000100000007010304000A0014"), bytes.fromhex("000A0014"),
    ),
]  # fmt: skip
EXCEPTIONS = [
    ("rtu", (17, 3, 107, 3, 1), bytes.fromhex("118302C134"), 2),
    ("ascii", (17, 3, 107, 3, 1), b":1183026A\r\n", 2),
    ("tcp", (1, 3, 0, 2, 1), bytes.fromhex("00010000000301830B"), 11),
]

framings = st.sampled_from(["rtu", "ascii", "tcp"])
Exchange = tuple[str, tuple[int, int, int, int, int], bytes]


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    """A framing, a request and the data of its answer."""
    function = draw(st.integers(1, 4))
    count = draw(st.integers(1, 2000 if function <= 2 else 125))
    address = draw(st.integers(0, 65536 - count))
    asked = (draw(st.integers(0, 255)), function, address, count, draw(st.integers(0, 65535)))
    size = 2 * count if function > 2 else (count + 7) // 8
    data = draw(st.binary(min_size=size, max_size=size))
    return draw(framings), asked, data


def frame(framing: str, asked: tuple[int, ...], pdu: bytes) -> bytes:
    return FRAMINGS[framing].build(asked[0], asked[4], pdu)


def answer(framing: str, asked: tuple[int, ...], data: bytes) -> bytes:
    return frame(framing, asked, bytes([asked[1], len(data)]) + data)


def outcomes(codec: Codec, pieces: Iterable[bytes]) -> list[tuple[str, bytes]]:
    """Every result but "more", until the pieces and what they left are used up."""
    found: list[tuple[str, bytes]] = []
    for piece in pieces:
        while True:
            try:
                result, data = codec.feed(piece)
            except ModbusExceptionError as refused:
                result, data = "exception", bytes([refused.code])
            if result == "more":
                break
            found.append((result, data))
            piece = b""
    return found


def fed(framing: str, asked: tuple[int, ...], *pieces: bytes) -> list[tuple[str, bytes]]:
    codec = Codec(framing)
    codec.ask(*asked)
    return outcomes(codec, pieces)


@pytest.mark.parametrize(("framing", "asked", "request_", "answered", "data"), EXAMPLES)
def test_example_when_asked_and_answered_is_byte_for_byte_right(
    framing: str, asked: tuple[int, ...], request_: bytes, answered: bytes, data: bytes
) -> None:
    codec = Codec(framing)
    assert codec.ask(*asked) == request_
    assert codec.feed(answered) == ("answer", data)


@pytest.mark.parametrize(("framing", "asked", "answered", "code"), EXCEPTIONS)
def test_exception_when_answered_raises_its_code(
    framing: str, asked: tuple[int, ...], answered: bytes, code: int
) -> None:
    codec = Codec(framing)
    codec.ask(*asked)
    with pytest.raises(ModbusExceptionError) as refused:
        codec.feed(answered)
    assert refused.value.code == code


def test_checksums_when_of_the_known_text_are_the_published_ones() -> None:
    assert crc16(b"123456789") == 0x4B37
    assert crc16(bytes.fromhex("1103006B00037687")) == 0  # over a frame with its own
    assert lrc(bytes.fromhex("1103006B0003")) == 0x7E


@given(exchanges(), st.data())
def test_answer_when_cut_anywhere_gives_the_same_as_in_one_piece(
    exchange: Exchange, data: st.DataObject
) -> None:
    framing, asked, content = exchange
    whole = answer(framing, asked, content)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    edges = [0, *cuts, len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(edges)]
    expected = [("answer", content)]
    assert fed(framing, asked, whole) == expected
    assert fed(framing, asked, *pieces) == expected
    assert fed(framing, asked, *(bytes([byte]) for byte in whole)) == expected


@given(exchanges(), st.integers(1, 255))
def test_exception_when_of_any_code_arrives_byte_by_byte(exchange: Exchange, code: int) -> None:
    framing, asked, _ = exchange
    whole = frame(framing, asked, bytes([asked[1] | 0x80, code]))
    assert fed(framing, asked, *(bytes([byte]) for byte in whole)) == [("exception", bytes([code]))]


@given(framings, st.integers(1, 4), st.binary(max_size=600))
@example("rtu", 3, b"\x01\x03\xff" + bytes(300))
@example("ascii", 3, b":" * 600)
@example("tcp", 3, bytes(600))
def test_bytes_when_random_are_refused_in_a_known_way_and_never_an_answer(
    framing: str, function: int, noise: bytes
) -> None:
    codec = Codec(framing)
    codec.ask(200, function, 0, 61)
    results = {result for result, _ in outcomes(codec, [noise])}
    assert results <= {"foreign", "damaged", "broken"}


@given(exchanges(), st.integers(0, 8 * 600), st.booleans())
def test_answer_when_one_bit_is_flipped_is_never_taken(
    exchange: Exchange, bit: int, byte_by_byte: bool
) -> None:
    """CRC-16 and LRC find every single bit; MBAP has no checksum, its data are TCP's to guard."""
    framing, asked, content = exchange
    assume(framing != "tcp")
    spoilt = bytearray(answer(framing, asked, content))
    spoilt[bit // 8 % len(spoilt)] ^= 1 << bit % 8
    pieces = [bytes([b]) for b in spoilt] if byte_by_byte else [bytes(spoilt)]
    got = [data for result, data in fed(framing, asked, *pieces) if result == "answer"]
    if framing == "ascii":  # case of a hex digit, CR for another blank: the same content
        assert got in ([], [content])
    else:
        assert not got


@given(exchanges(), st.binary(min_size=1, max_size=40), st.binary(max_size=40))
def test_answer_when_noise_is_around_it_is_found(
    exchange: Exchange, before: bytes, after: bytes
) -> None:
    framing, asked, content = exchange
    assume(framing == "rtu")
    assume(before[0] != asked[0])  # what begins like the answer may be taken for its damaged self
    whole = answer(framing, asked, content)
    got = fed(framing, asked, before + whole + after)
    assert ("answer", content) in got
    assert [data for result, data in got if result == "answer"] == [content]


@given(exchanges(), st.binary(min_size=1, max_size=40))
def test_ascii_answer_when_noise_lies_before_its_colon_is_found(
    exchange: Exchange, before: bytes
) -> None:
    _, asked, content = exchange
    whole = answer("ascii", asked, content)
    assert fed("ascii", asked, before.replace(b"\n", b"") + whole)[-1] == ("answer", content)


@pytest.mark.parametrize("change", ["no CR", "lower case"])
def test_ascii_answer_when_sloppy_is_taken(change: str) -> None:
    _, asked, _, answered, data = EXAMPLES[1]
    sloppy = answered.replace(b"\r", b"") if change == "no CR" else answered.lower()
    assert fed("ascii", asked, sloppy) == [("answer", data)]


@given(exchanges())
@example(("rtu", (0, 1, 0x400, 1, 0), b"\0"))  # an echo with a zero behind it looks like an answer
def test_request_when_echoed_before_the_answer_is_skipped(exchange: Exchange) -> None:
    framing, asked, content = exchange
    assume(framing != "tcp")
    codec = Codec(framing)
    request_ = codec.ask(*asked)
    got = outcomes(codec, [request_ + answer(framing, asked, content)])
    assert got[-1] == ("answer", content)
    assert [result for result, _ in got].count("answer") == 1


@given(exchanges(), st.integers(1, 255))
def test_answer_when_of_another_unit_is_foreign(exchange: Exchange, other: int) -> None:
    framing, asked, content = exchange
    stranger = ((asked[0] + other) % 256, *asked[1:])
    got = fed(framing, asked, answer(framing, stranger, content))
    assert [result for result, _ in got] == ["foreign"]


@given(exchanges(), st.integers(1, 3), st.integers(1, 255))
def test_answer_when_of_another_function_or_size_is_never_taken(
    exchange: Exchange, turn: int, shorter: int
) -> None:
    framing, asked, content = exchange
    other = (asked[0], (asked[1] - 1 + turn) % 4 + 1, *asked[2:])
    assert "answer" not in dict(fed(framing, asked, answer(framing, other, content)))
    cut = content[: len(content) - shorter]
    assume(cut)
    assert "answer" not in dict(fed(framing, asked, answer(framing, asked, cut)))


@given(st.integers(1, 65535))
def test_tcp_answer_when_its_transaction_is_another_is_foreign(turn: int) -> None:
    _, asked, _, _, data = EXAMPLES[4]
    late = (*asked[:4], (asked[4] + turn) % 65536)
    got = fed("tcp", asked, answer("tcp", late, data) + answer("tcp", asked, data))
    assert got == [("foreign", b""), ("answer", data)]


@pytest.mark.parametrize("length", [0, 1, 2, 257, 65535])
def test_mbap_when_its_length_is_impossible_breaks_the_stream_at_the_header(length: int) -> None:
    header = bytes.fromhex("00010000") + length.to_bytes(2, "big")
    assert fed("tcp", EXAMPLES[4][1], header) == [("broken", b"")]


@pytest.mark.parametrize("protocol", [1, 256, 65535])
def test_mbap_when_its_protocol_is_another_breaks_the_stream(protocol: int) -> None:
    header = b"\x00\x01" + protocol.to_bytes(2, "big") + b"\x00\x07"
    assert fed("tcp", EXAMPLES[4][1], header) == [("broken", b"")]


@pytest.mark.parametrize("length", [3, 254])
def test_mbap_when_its_length_is_at_the_limits_is_followed(length: int) -> None:
    body = bytes([1, 3, length - 3]) + bytes(length - 3)
    whole = bytes.fromhex("00010000") + length.to_bytes(2, "big") + body
    assert fed("tcp", EXAMPLES[4][1], whole) == [("foreign", b"")]


@given(st.lists(st.integers(0, 65535), min_size=2, max_size=16, unique=True), st.integers(1, 30))
def test_tcp_answers_when_many_come_in_one_segment_are_each_found(
    transactions: list[int], size: int
) -> None:
    asked = (1, 3, 0, 2, transactions[-1])
    stream = b"".join(
        answer("tcp", (*asked[:4], number), number.to_bytes(4, "big")) for number in transactions
    )
    pieces = [stream[i : i + size] for i in range(0, len(stream), size)]
    got = fed("tcp", asked, *pieces)
    assert got == [("foreign", b"")] * (len(transactions) - 1) + [
        ("answer", transactions[-1].to_bytes(4, "big"))
    ]


@pytest.mark.parametrize("framing", ["rtu", "ascii", "tcp"])
@pytest.mark.parametrize("function", [0, 5, 6, 7, 8, 15, 16, 20, 21, 22, 23, 24, 43, 90, 128])
def test_request_when_not_one_of_the_four_reads_is_refused(framing: str, function: int) -> None:
    with pytest.raises(ValueError, match=f"function {function}"):
        Codec(framing).ask(1, function, 0, 1)


@pytest.mark.parametrize(
    ("unit", "function", "address", "count", "transaction"),
    [
        (-1, 3, 0, 1, 1), (256, 3, 0, 1, 1), (1, 3, -1, 1, 1), (1, 3, 65536, 1, 1),
        (1, 3, 65535, 2, 1), (1, 3, 0, 0, 1), (1, 3, 0, 126, 1), (1, 4, 0, -1, 1),
        (1, 1, 0, 2001, 1), (1, 2, 65000, 1000, 1), (1, 3, 0, 1, 65536), (1, 3, 0, 1, -1),
    ],
)  # fmt: skip
def test_request_when_out_of_the_protocol_s_range_is_refused(
    unit: int, function: int, address: int, count: int, transaction: int
) -> None:
    with pytest.raises(ValueError, match="no request"):
        Codec("rtu").ask(unit, function, address, count, transaction)


@given(exchanges())
def test_request_when_built_is_the_one_that_the_simulator_reads(exchange: Exchange) -> None:
    framing, asked, _ = exchange
    unit, function, address, count, transaction = asked
    request_ = Codec(framing).ask(*asked)
    read = [function, *address.to_bytes(2, "big"), *count.to_bytes(2, "big")]
    assert request_ == FRAMINGS[framing].build(unit, transaction, bytes(read))


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_crc32c_when_the_processor_has_none_then_is_the_same(data: bytes, before: int) -> None:
    assert crc32c(b"123456789") == crc32c_by_tables(b"123456789") == 0xE3069283  # RFC 3720, B.4
    assert crc32c(data, before) == crc32c_by_tables(data, before)
