"""The simulated slave: byte-exact answers, values that can be computed, a book that is complete."""

from __future__ import annotations

import socket
import struct
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import ByteOrder
from drivers.modbus.address import parse, parse_range
from drivers.modbus.simulator import (
    DeviceMap,
    FaultError,
    MapError,
    SimTag,
    Simulator,
    Unit,
    encode,
    load_map,
    raw_value,
)
from drivers.modbus.simulator.frames import FRAMINGS, Ascii, Asked, Mbap, Rtu, StreamLostError
from tests.kit.wire import SMALL, TcpWire, tcp_units


def unit(made: DeviceMap = SMALL) -> Unit:
    return Simulator().unit(1, made)


def read(function: int, address: int, count: int) -> bytes:
    return struct.pack(">BHH", function, address, count)


def exchange(wire: TcpWire, pdu: bytes, *, number: int = 1, transaction: int = 7) -> bytes:
    with socket.create_connection((wire.host, wire.port), timeout=5) as sock:
        sock.sendall(struct.pack(">HHHB", transaction, 0, len(pdu) + 1, number) + pdu)
        with sock.makefile("rb") as answers:
            head = answers.read(6)
            return head + answers.read(struct.unpack(">H", head[4:])[0]) if head else head


@pytest.mark.parametrize(
    ("framing", "frame", "asked"),
    [  # the worked examples of the protocol texts
        (Rtu(), "11 03 00 6B 00 03 76 87", Asked(17, 0, bytes.fromhex("03006B0003"))),
        (Rtu(), "01 08 00 00 A5 37 DA 8D", Asked(1, 0, bytes.fromhex("080000A537"))),
        (Rtu(), "01 2B 0E 01 00 70 77", Asked(1, 0, bytes.fromhex("2B0E0100"))),
        (
            Mbap(),
            "00 01 00 00 00 06 01 03 00 00 00 02",
            Asked(1, 1, bytes.fromhex("0300000002")),
        ),
        (
            Ascii(),
            b":1103006B00037E\r\n".hex(),
            Asked(17, 0, bytes.fromhex("03006B0003")),
        ),
    ],
)
def test_request_frame_of_the_specification_is_taken_apart(
    framing: Mbap | Rtu | Ascii, frame: str, asked: Asked
) -> None:
    assert framing.split(bytearray.fromhex(frame)) == [asked]


def test_answer_frame_of_the_specification_is_built() -> None:
    pdu = bytes.fromhex("0306022B00000064")
    assert Rtu().build(17, 0, pdu).hex(" ") == "11 03 06 02 2b 00 00 00 64 c8 ba"
    assert Ascii().build(17, 0, pdu) == b":110306022B0000006455\r\n"
    assert Mbap().build(1, 1, bytes([0x83, 0x0B])).hex() == "00010000000301830b"


@given(st.sampled_from(["tcp", "rtu", "ascii"]), st.data())
def test_stream_cut_anywhere_gives_the_same_requests(name: str, data: st.DataObject) -> None:
    framing = FRAMINGS[name]
    pdus = [read(3, n, 5) for n in range(3)]
    stream = b"".join(framing.build(9, n, pdu) for n, pdu in enumerate(pdus))
    cut = data.draw(st.integers(0, len(stream)))
    buffer = bytearray(stream[:cut])
    found = framing.split(buffer)
    buffer += stream[cut:]
    found += framing.split(buffer)
    assert [asked.pdu for asked in found] == pdus


def test_stream_with_another_protocol_is_lost() -> None:
    with pytest.raises(StreamLostError):
        Mbap().split(bytearray.fromhex("000100010006010300000002"))


@given(st.binary(min_size=1, max_size=20))
def test_slave_asked_anything_answers_it_or_refuses_it(pdu: bytes) -> None:
    answer = unit().answer(pdu).pdu
    assert answer[0] & 0x7F == pdu[0] & 0x7F
    if pdu[0] not in (1, 2, 3, 4, 8, 17, 43):
        assert answer[1:] == b"\x01"


def test_slave_asked_for_its_registers_shows_the_computed_values() -> None:
    slave = unit()
    for counter in range(1, 100):
        words = slave.answer(read(3, 0, 7)).pdu[2:]
        level, flow, *_, alarm = SMALL.tags
        assert int.from_bytes(words[:4], "big") == counter
        assert struct.unpack(">h", words[4:6])[0] == raw_value(level, counter, slave.store.seed)
        low, high = words[8:10], words[10:12]
        assert struct.unpack(">f", high + low)[0] == raw_value(flow, counter, slave.store.seed)
        assert bool(words[13] >> 5 & 1) == raw_value(alarm, counter, slave.store.seed)


def test_slave_asked_for_bits_packs_the_lowest_first() -> None:
    slave = unit()
    (coil,) = (tag for tag in SMALL.tags if tag.name == "running")
    answer = slave.answer(read(1, 0, 10)).pdu
    assert answer[:2] == bytes([1, 2])
    assert bool(answer[2] >> 3 & 1) == raw_value(coil, 0, slave.store.seed)


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
def test_number_in_each_byte_order_lies_as_the_order_says(order: ByteOrder) -> None:
    tag = SimTag("t", parse("holding:0"), "uint32", order)
    data = encode(tag, 0xA1B2C3D4)
    named = dict(zip("ABCD", bytes.fromhex("A1B2C3D4"), strict=True))
    assert data == bytes(named[letter] for letter in order)


def test_counter_in_part_of_an_answer_does_not_move() -> None:
    slave = unit()
    assert slave.answer(read(3, 0, 2)).counter == 1
    assert slave.answer(read(3, 1, 5)).counter == 0
    assert slave.answer(read(4, 0, 9)).counter == 2
    assert slave.counter == 2


@pytest.mark.parametrize(
    ("pdu", "refusal"),
    [
        (read(3, 0, 0), "8303"),
        (read(3, 0, 126), "8303"),
        (read(1, 0, 2001), "8103"),
        (read(3, 65535, 2), "8302"),
        (bytes([6, 0, 0, 0, 1]), "8601"),
        (bytes([16, 0, 0, 0, 1, 2, 0, 0]), "9001"),
    ],
)
def test_slave_asked_what_it_must_not_answers_the_exception(pdu: bytes, refusal: str) -> None:
    assert unit().answer(pdu).pdu.hex() == refusal


def test_slave_with_holes_and_a_limit_refuses_what_touches_them() -> None:
    slave = unit()
    slave.faults.holes = (parse_range("holding:5"),)
    slave.faults.set("max_registers", "4")
    assert slave.answer(read(3, 1, 4)).pdu[0] == 3
    assert slave.answer(read(3, 2, 4)).pdu.hex() == "8302"
    assert slave.answer(read(3, 0, 5)).pdu.hex() == "8302"
    slave.faults.set("refusal", "3")
    assert slave.answer(read(3, 0, 5)).pdu.hex() == "8303"


def test_slave_asked_who_it_is_says_so() -> None:
    assert unit().answer(bytes.fromhex("2B0E0100")).pdu == (
        bytes.fromhex("2B0E0181000003") + b"\x00\x05Jiahe\x01\x03SIM\x02\x031.0"
    )
    assert unit().answer(bytes([8, 0, 0, 0xA5, 0x37])).pdu == bytes([8, 0, 0, 0xA5, 0x37])
    assert b"jiahe-sim" in unit().answer(bytes([17])).pdu


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("wrong 1 transaction", "000800000005010302"),
        ("wrong 1 unit", "000700000005020302"),
        ("wrong 1 function", "000700000005010202"),
        ("wrong 1 count", "000700000005010300"),
        ("exception 1 11", "00070000000301830b"),
    ],
)
def test_answer_with_a_fault_is_wrong_in_just_that(fault: str, answer: str) -> None:
    with tcp_units() as wire:
        wire.simulator.command(fault)
        assert exchange(wire, read(3, 100, 1)).hex().startswith(answer)
        wire.simulator.command("clear 1")
        assert exchange(wire, read(3, 100, 1)).hex() == "0007000000050103020000"


def test_connection_dropped_on_command_is_closed_and_may_come_back() -> None:
    with tcp_units() as wire:
        wire.simulator.command("drop *")
        assert exchange(wire, read(3, 0, 1)) == b""
        wire.simulator.command("clear *")
        with socket.create_connection((wire.host, wire.port), timeout=5) as idle:
            wire.simulator.command("drop")
            assert idle.recv(1) == b""
        wire.simulator.command("close")
        with pytest.raises(ConnectionRefusedError):
            exchange(wire, read(3, 0, 1))
        wire.simulator.command("open")
        assert len(exchange(wire, read(3, 0, 1))) == 11


def test_connections_over_the_limit_are_closed_at_once() -> None:
    with tcp_units() as wire:
        wire.simulator.command("connections 1")
        with socket.create_connection((wire.host, wire.port), timeout=5) as first:
            first.sendall(bytes.fromhex("000100000006010300000001"))
            assert len(first.recv(64)) == 11
            with socket.create_connection((wire.host, wire.port), timeout=5) as second:
                assert second.recv(1) == b""


@pytest.mark.parametrize("fault", ["split 1 1", "trickle 1 0.1", "slow 1 1"])
def test_answer_in_pieces_or_late_is_the_same_answer(fault: str) -> None:
    with tcp_units() as wire:
        wire.simulator.command(fault)
        assert exchange(wire, read(3, 100, 1)).hex() == "0007000000050103020000"


def test_book_after_answers_has_a_line_for_each_counter(tmp_path: Path) -> None:
    book = tmp_path / "book"
    with tcp_units(book=book) as wire:
        for _ in range(3):
            exchange(wire, read(3, 0, 2))
        exchange(wire, read(3, 2, 2))  # without the counter
        wire.simulator.command("wrong 1 transaction")
        exchange(wire, read(3, 0, 2))
        wire.simulator.command("flush")
        lines = [line.split() for line in book.read_text(encoding="ascii").splitlines()]
    assert [line[:2] for line in lines] == [["unit-1", str(n)] for n in (1, 2, 3, 4)]
    assert [line[4:] for line in lines] == [[], [], [], ["spoilt"]]
    assert all(int(line[2]) <= int(line[3]) for line in lines)


def test_command_that_means_nothing_is_refused_with_what_there_is() -> None:
    with tcp_units() as wire:
        for line, says in [
            ("dance", "dance"),
            ("mute 9", "unit-1"),
            ("noise 1 loud", "loud"),
            ("levitate 1", "slow"),
            ("wrong 1 colour", "colour"),
        ]:
            with pytest.raises(FaultError, match=says):
                wire.simulator.command(line)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[tags", "not TOML"),
        ('[tags]\na = { type = "int16" }', "tags.a: has no address"),
        ('[tags]\na = { address = "4", type = "int16" }', "no address: 4"),
        ('[tags]\na = { address = "40001", type = "int" }', "type 'int'"),
        ('[tags]\na = { address = "40001", type = "int16", order = "AB" }', "order 'AB'"),
        ('[tags]\na = { address = "40001", type = "int16", scale = 0, min = 1 }', "tags.a"),
        ('[profile]\nholes = ["x"]', "profile"),
        ("tags = 3", "profile"),
    ],
)
def test_map_with_a_mistake_is_refused_where_it_is(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "map.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(MapError, match=says) as caught:
        load_map(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("tag", "least", "most"),
    [
        ('type = "uint16", scale = 0.1, unit = "V", min = 40, max = 500', 215, 225),
        ('type = "uint16", scale = 0.1, unit = "V", min = 40, max = 900', 375, 385),
        ('type = "float32", unit = "Hz"', 49.95, 50.05),
        ('type = "int16", offset = -40, unit = "°C", min = -20, max = 100', 35, 45),
        ('type = "int16", scale = -0.1, unit = "A", min = 0, max = 63', 5, 7),
        ('type = "uint32", scale = 0.01, unit = "kWh"', 8000, 8006.3),
        ('type = "int16", scale = 0.001, min = -1.001, max = 1.001', 0.92, 0.98),
        ('type = "float32", unit = "bar", min = 100, max = 200', 145, 155),
        ('type = "uint16", min = 1, max = 9999', 1, 1),
        ('type = "uint16", min = 0, max = 255', 0, 0),
    ],
)
def test_value_of_a_unit_stays_where_a_plant_would_and_moves_slowly(
    tag: str, least: float, most: float, tmp_path: Path
) -> None:
    file = tmp_path / "map.toml"
    file.write_text(f'[tags]\nt = {{ address = "40001", {tag} }}\n', encoding="utf-8")
    told = tomllib.loads(file.read_text(encoding="utf-8"))["tags"]["t"]
    (made,) = load_map(file).tags
    for seed in ("0", "1", "2"):
        raw = [float(raw_value(made, counter, seed)) for counter in range(65)]
        values = [v * told.get("scale", 1) + told.get("offset", 0) for v in raw]
        assert least - 1e-3 <= min(values) and max(values) <= most + 1e-3
        step = max(abs(a - b) for a, b in pairwise(values))
        rises = told.get("unit") == "kWh"
        assert rises or step <= (most - least) * 7 / 63 + abs(told.get("scale", 1))
        assert not rises or sum(a > b for a, b in pairwise(values)) <= 3, "a meter rises"


def test_value_whose_usual_range_its_type_cannot_hold_moves_in_the_range_of_the_type(
    tmp_path: Path,
) -> None:
    file = tmp_path / "map.toml"
    line = '[tags]\nt = { address = "40001", type = "uint16", scale = 0.01, unit = "kWh" }\n'
    file.write_text(line, encoding="utf-8")
    (made,) = load_map(file).tags
    assert all(0 <= int(raw_value(made, counter, "0")) <= 65535 for counter in range(64))
