"""The frames of native.s7.codec: worked examples, pieces of any size, answers of something else,
and any bytes. The simulator's frames, which share nothing with native/, make the rest.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.s7.simulator import Plc
from drivers.s7.stretch import Stretch
from native.s7.codec import Codec, S7RefusedError

CONNECT = bytes.fromhex("0300001611E00000000100C0010AC1020100C2020102")
CONFIRM = bytes.fromhex("0300001611D00001000100C0010AC1020100C2020102")
SETUP = bytes.fromhex("0300001902F08032010000000000080000F0000001000101E0")
GRANTED = bytes.fromhex("0300001B02F080320300000000000800000000F0000001000101E0")
READ = bytes.fromhex("0300001F02F080320100000001000E00000401120A10020008000184000000")
DATA = bytes.fromhex("0001E24041480000")
ANSWER = bytes.fromhex("0300002102F0803203000000010002000C00000401FF040040") + DATA
EIGHT = Stretch("DB", 1, 0, 8).encode()


def ready() -> Codec:
    """Connected and set up; the next request has the reference 1."""
    codec = Codec()
    codec.connect(0x0100, 0x0102)
    assert codec.feed(CONFIRM) == ("confirm", None)
    codec.setup(480, 1)
    assert codec.feed(GRANTED) == ("setup", (480, 1))
    return codec


def tpkt(payload: bytes, last: bool = True) -> bytes:
    return (
        b"\x03\0"
        + (7 + len(payload)).to_bytes(2, "big")
        + bytes([2, 0xF0, 0x80 if last else 0])
        + payload
    )


def test_session_when_as_in_the_worked_example_then_byte_for_byte() -> None:
    codec = Codec()
    assert codec.connect(0x0100, 0x0102) == CONNECT
    assert codec.feed(CONFIRM) == ("confirm", None)
    assert codec.setup(480, 1) == SETUP
    assert codec.feed(GRANTED) == ("setup", (480, 1))
    assert codec.read(EIGHT) == READ
    assert codec.feed(ANSWER) == ("read", [(0xFF, DATA)])


def test_answer_when_items_are_odd_and_one_is_missing_then_each_is_its_own() -> None:
    codec = ready()
    codec.read(
        Stretch("DB", 1, 0, 4).encode()
        + Stretch("DB", 1, 4, 5).encode()
        + Stretch("DB", 9, 0, 4).encode()
    )
    data = bytes.fromhex("FF0400200001E240FF04000841FF0A000004")
    pdu = bytes.fromhex("3203000000010002001600000403")
    pdu = pdu[:8] + len(data).to_bytes(2, "big") + pdu[10:] + data
    assert codec.feed(tpkt(pdu)) == (
        "read", [(0xFF, bytes.fromhex("0001E240")), (0xFF, b"\x41"), (0x0A, b"")],
    )  # fmt: skip


def test_answer_when_it_comes_byte_by_byte_then_found_with_the_last_one() -> None:
    codec = ready()
    codec.read(EIGHT)
    for at in range(len(ANSWER) - 1):
        assert codec.feed(ANSWER[at : at + 1]) == ("more", None)
    assert codec.feed(ANSWER[-1:]) == ("read", [(0xFF, DATA)])


@pytest.mark.parametrize("size", [1, 2, 7, 19, 128])
def test_answer_when_in_fragments_then_whole(size: int) -> None:
    codec = ready()
    codec.read(EIGHT)
    pdu = ANSWER[7:]
    pieces = [pdu[at : at + size] for at in range(0, len(pdu), size)]
    data = b"".join(tpkt(piece, n + 1 == len(pieces)) for n, piece in enumerate(pieces))
    assert codec.feed(data) == ("read", [(0xFF, DATA)])


def test_answer_when_older_ones_come_first_then_each_is_skipped_by_itself() -> None:
    codec = ready()
    codec.read(EIGHT)
    codec.read(EIGHT)
    mine = ANSWER[:12] + b"\x02" + ANSWER[13:]
    assert codec.feed(ANSWER + b"\x03\0\0\x07\x02\xf0\x80" + mine) == ("foreign", None)
    assert codec.feed(b"") == ("read", [(0xFF, DATA)])


@pytest.mark.parametrize(
    ("what", "spoilt"),
    [
        ("another function", ANSWER[:19] + b"\x05" + ANSWER[20:]),
        ("another number of items", ANSWER[:20] + b"\x02" + ANSWER[21:]),
        ("no item", ANSWER[:20] + b"\x00" + ANSWER[21:]),
        ("another length", ANSWER[:21] + bytes.fromhex("FF040038") + ANSWER[25:]),
        ("a length in bytes over its end", ANSWER[:21] + bytes.fromhex("FF090009") + ANSWER[25:]),
        ("a job", ANSWER[:8] + b"\x01" + ANSWER[9:]),
    ],
)
def test_answer_when_of_something_else_then_foreign(what: str, spoilt: bytes) -> None:
    codec = ready()
    codec.read(EIGHT)
    assert codec.feed(spoilt) == ("foreign", None), what


def test_answer_when_the_whole_is_refused_then_its_code() -> None:
    codec = ready()
    codec.read(EIGHT)
    with pytest.raises(S7RefusedError, match="0x8104") as caught:
        codec.feed(bytes.fromhex("0300001302F080320200000001000000008104"))
    assert caught.value.code == 0x8104


@pytest.mark.parametrize(
    ("data", "result"),
    [
        (bytes.fromhex("0300000B0680000100010000")[:11], "hung up"),
        (b"\x05\0\0\x07\x02\xf0\x80", "broken"),
        (b"\x03\0\xff\xff", "broken"),
        (b"\x03\0\0\x05", "broken"),
        (b"\x03\0\0\x07\xff\xf0\x80", "broken"),
        (tpkt(b"\x33" + bytes(20)), "broken"),
        (tpkt(bytes.fromhex("3203000000010002FFFF00000401")), "broken"),
        (tpkt(bytes(900), last=False) + tpkt(bytes(61)), "broken"),
    ],
)
def test_stream_when_it_is_none_of_ours_then_said_and_not_followed(
    data: bytes, result: str
) -> None:
    codec = ready()
    codec.read(EIGHT)
    assert codec.feed(data) == (result, None)


@pytest.mark.parametrize(
    "items", [b"", EIGHT[:-1], EIGHT * 80, b"\x12\x0a\x10\x02\0\0" + EIGHT[6:], bytes(12)]
)
def test_read_when_it_is_no_reading_item_then_refused(items: bytes) -> None:
    with pytest.raises(ValueError, match="item"):
        Codec().read(items)


sizes = st.lists(st.integers(1, 60), min_size=1, max_size=20)


@settings(deadline=None)
@given(sizes, st.booleans(), st.integers(1, 40))
def test_answer_when_any_lengths_with_or_without_a_last_fill_byte_then_never_shifted(
    lengths: list[int], fill: bool, piece: int
) -> None:
    while 14 + sum(4 + n + n % 2 for n in lengths) > 960:
        lengths.pop()
    plc = Plc()
    plc.grow("DB", 7, 1000)[:] = bytes(n % 251 for n in range(1000))
    plc.faults.fill = fill
    wanted = [Stretch("DB", 7, 31 * n, 31 * n + size) for n, size in enumerate(lengths)]
    codec = ready()
    asked = codec.read(b"".join(one.encode() for one in wanted))
    data = tpkt(plc.answer(asked[7:]))
    result: tuple[str, object] = ("more", None)
    for at in range(0, len(data), piece):
        assert result[0] == "more"
        result = codec.feed(data[at : at + piece])
    held = plc.memory["DB", 7]
    assert result == ("read", [(0xFF, bytes(held[s.first : s.end])) for s in wanted])


def test_answer_when_the_cpu_cuts_the_items_then_only_those_there_are() -> None:
    plc = Plc()
    plc.grow("DB", 1, 8)
    plc.faults.items = 3
    codec = ready()
    asked = codec.read(EIGHT * 5)
    assert codec.feed(tpkt(plc.answer(asked[7:]))) == ("read", [(0xFF, bytes(8))] * 3)


def test_state_when_asked_then_run_stop_or_refused() -> None:
    plc = Plc()
    codec = ready()
    assert codec.feed(tpkt(plc.answer(codec.state()[7:]))) == ("state", 8)
    plc.faults.state = 4
    assert codec.feed(tpkt(plc.answer(codec.state()[7:]))) == ("state", 4)
    plc.faults.state = 0
    with pytest.raises(S7RefusedError, match="0x8104"):
        codec.feed(tpkt(plc.answer(codec.state()[7:])))


def test_codec_when_fed_damaged_streams_then_it_neither_crashes_nor_believes_them(
    seed: int,
) -> None:
    rng = random.Random(seed)
    results: set[str] = set()
    for _ in range(20_000):
        codec = ready()
        codec.read(EIGHT)
        data = bytearray(ANSWER + CONFIRM + ANSWER)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data) + 1)
            match rng.randrange(3):
                case 0:
                    data[at : at + 1] = rng.randbytes(1)
                case 1:
                    data[at:at] = rng.randbytes(rng.randint(1, 9))
                case 2:
                    del data[at : at + rng.randint(1, 9)]
        try:
            for piece in (bytes(data[:20]), bytes(data[20:]), b"", b"", b"", b""):
                result, found = codec.feed(piece)
                results.add(result)
                if result == "read":
                    assert isinstance(found, list) and len(found) == 1
                    assert found[0][0] != 0xFF or len(found[0][1]) == 8
        except S7RefusedError:
            results.add("refused")
    assert results == {"more", "read", "foreign", "broken", "refused", "hung up"}
