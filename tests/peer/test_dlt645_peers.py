"""DL/T 645-2007 against the package `dlt645`: our codec reads its meter, its client reads ours, and
its frames are ours byte for byte.
"""

from __future__ import annotations

import datetime
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dlt645 import MeterClientService, MeterServerService
from dlt645.model.types.dlt645_type import Demand
from dlt645.protocol.protocol import DLT645Protocol

from drivers.dlt645.identifiers import item_bytes, value_of
from drivers.dlt645.simulator import Faults, Meter, Served
from drivers.dlt645.simulator.values import raw_value
from native.dlt645.codec import Codec, MeterRefusedError

METER = "123456789012"
#: The package takes an address as it travels.
TRAVELS = bytes.fromhex(METER)[::-1]
NUMBERS = [
    ("00010000", 123456.78), ("00000000", -4321.09), ("00020300", 7.5), ("02010100", 230.1),
    ("02020200", 12.345), ("02020300", -0.001), ("02030000", -12.3456), ("02040100", 1.5),
    ("02050000", 33.3333), ("02060000", 0.987), ("02070100", 119.9), ("02800002", 49.98),
    ("02800007", -12.5), ("020A0115", 3.21),
]  # fmt: skip


@contextmanager
def their_meter() -> Iterator[MeterServerService]:
    meter = MeterServerService.new_tcp_server("127.0.0.1", 0, timeout=5.0)
    meter.set_address(TRAVELS)
    for identifier, number in NUMBERS:
        setter = meter.set_00 if identifier.startswith("00") else meter.set_02
        assert setter(int(identifier, 16), number), identifier
    assert meter.start()
    try:
        yield meter
    finally:
        meter.stop()


def exchange(connection: socket.socket, meter: str, identifier: str, size: int) -> bytes:
    codec = Codec()
    connection.sendall(codec.ask(meter, identifier, size))
    while True:
        result, data = codec.feed(connection.recv(512))
        if result != "more":
            assert result == "answer", (identifier, result)
            return bytes(data)


def decoded(identifier: str, data: bytes) -> float:
    value = value_of(identifier)
    assert value is not None and len(data) >= value.length
    digits = bytearray(data[: value.length][::-1])
    sign = -1 if value.signed and digits[0] & 0x80 else 1
    digits[0] &= 0x7F if value.signed else 0xFF
    return float(sign * int(digits.hex()) * value.scale)


def size_of(identifier: str) -> int:
    value = value_of(identifier)
    assert value is not None
    return item_bytes(identifier, value)


def test_codec_when_it_asks_their_meter_then_every_number_is_the_one_set() -> None:
    with their_meter() as meter:
        address = ("127.0.0.1", meter.server.port)
        with socket.create_connection(address, 5) as connection:
            for identifier, number in NUMBERS:
                data = exchange(connection, METER, identifier, size_of(identifier))
                assert decoded(identifier, data) == pytest.approx(number), identifier


def test_codec_when_it_asks_their_meter_for_a_demand_then_its_time_comes_along() -> None:
    when = datetime.datetime(2026, 11, 20, 14, 30)
    with their_meter() as meter:
        assert meter.set_01(0x01010000, Demand(12.3456, when))
        address = ("127.0.0.1", meter.server.port)
        with socket.create_connection(address, 5) as connection:
            data = exchange(connection, METER, "01010000", 8)
    assert decoded("01010000", data) == pytest.approx(12.3456)
    assert data[3:][::-1].hex() == "2611201430"


def test_codec_when_their_meter_has_no_such_data_then_it_refuses() -> None:
    with their_meter() as meter:
        address = ("127.0.0.1", meter.server.port)
        with socket.create_connection(address, 5) as connection:
            codec = Codec()
            connection.sendall(codec.ask(METER, "02FE0100"))
            with pytest.raises(MeterRefusedError) as refused:
                while codec.feed(connection.recv(512))[0] == "more":
                    pass
    assert refused.value.code & 2


def test_codec_when_it_asks_their_meter_for_its_address_then_told() -> None:
    with their_meter() as meter:
        address = ("127.0.0.1", meter.server.port)
        with socket.create_connection(address, 5) as connection:
            codec = Codec()
            connection.sendall(codec.ask_address())
            result = "more"
            while result == "more":
                result, data = codec.feed(connection.recv(512))
    assert (result, data) == ("answer", TRAVELS)


@pytest.mark.parametrize("preamble", range(5))
def test_request_when_built_then_byte_for_byte_theirs(preamble: int) -> None:
    for identifier, _ in NUMBERS:
        name = bytes.fromhex(identifier)[::-1]
        theirs = DLT645Protocol.build_frame(TRAVELS, 0x11, name, preamble)
        assert Codec(preamble).ask(METER, identifier) == theirs
    codec = Codec(preamble)
    assert codec.ask_address() == DLT645Protocol.build_frame(b"\xaa" * 6, 0x13, b"", preamble)


@pytest.mark.parametrize("wire", ["tcp", "serial"])
def test_their_client_when_it_reads_our_meter_then_every_number_is_the_one_shown(
    wire: str, tmp_path: Path
) -> None:
    ours = Meter(METER, faults=Faults(answer_ms=1))
    path = tmp_path / "meter" if wire == "serial" else None
    served = Served([Meter("000000000007"), ours], path=path)
    served.start()
    if path:
        client = MeterClientService.new_rtu_client(str(path), 9600, 8, 1, "N", 5.0)
    else:
        client = MeterClientService.new_tcp_client(served.host, served.port, timeout=5.0)
    try:
        client.set_address(TRAVELS.hex())
        for identifier, _ in NUMBERS:
            step = ours.step
            read = client.read_00 if identifier.startswith("00") else client.read_02
            item = read(int(identifier, 16))
            assert item is not None, identifier
            value = value_of(identifier)
            assert value is not None
            shown = float(raw_value(identifier, step, ours.seed) * value.scale)
            assert item.value == pytest.approx(shown), identifier
    finally:
        client.disconnect()
        served.stop()
