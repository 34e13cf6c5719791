"""S7 against what others wrote: our codec and packing read the Snap7 server (C); Snap7's client and
nodes7 (JavaScript) read our simulator.
"""

from __future__ import annotations

import ctypes
import datetime
import json
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import snap7
from snap7.types import Areas, srvAreaCT, srvAreaDB, srvAreaMK, srvAreaPA, srvAreaPE, srvAreaTM

from drivers.s7.address import parse
from drivers.s7.pack import pack, rows_of
from drivers.s7.simulator import SimTag, Simulator
from drivers.s7.simulator.values import encode, value
from drivers.s7.stretch import Stretch, room_of
from tests.kit.s7_client import Client

_HERE = Path(__file__).parent
_AREAS = {"DB": srvAreaDB, "M": srvAreaMK, "I": srvAreaPE, "Q": srvAreaPA}
_SIZE = 2000


def content(area: str, db: int) -> bytes:
    """What the peer's areas hold: no byte like its neighbours, no area like another."""
    start = sum(area.encode()) + 31 * db
    return bytes((start + 7 * n + n // 256) % 256 for n in range(_SIZE))


@contextmanager
def snap7_server() -> Iterator[int]:
    """The C server while it runs; its port."""
    server = snap7.server.Server(log=False)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    held = []
    for area, db in (("DB", 1), ("DB", 2), ("DB", 65535), ("M", 0), ("I", 0), ("Q", 0)):
        held.append((ctypes.c_ubyte * _SIZE)(*content(area, db)))
        server.register_area(_AREAS[area], db, held[-1])
    for code in (srvAreaTM, srvAreaCT):
        held.append((ctypes.c_ubyte * 64)(*range(64)))
        server.register_area(code, 0, held[-1])
    server.start(tcpport=port)
    try:
        yield port
    finally:
        server.stop()
        server.destroy()


@pytest.mark.parametrize("pdu", [240, 480, 960])
def test_codec_when_it_reads_snap7_then_every_byte_of_every_area(pdu: int) -> None:
    wanted = [
        Stretch(area, db, first, first + size)
        for area, db in (("DB", 1), ("DB", 2), ("DB", 65535), ("M", 0), ("I", 0), ("Q", 0))
        for first, size in ((0, 1), (3, 5), (17, 4), (100, 211), (1999, 1), (600, 120), (800, 61))
    ]  # fmt: skip
    with snap7_server() as port, Client(port, pdu) as client:
        assert client.pdu == pdu
        requests = pack(rows_of(wanted), room_of(pdu))
        held: dict[Stretch, bytes] = {}
        for items in requests:
            for item, (code, data) in zip(items, client.read(*items), strict=True):
                assert code == 0xFF
                held[item] = data
    for one in wanted:
        (found,) = {
            data[one.first - item.first : one.end - item.first]
            for item, data in held.items()
            if item.covers(one)
        }
        assert found == content(one.area, one.db)[one.first : one.end]


def test_codec_when_snap7_has_not_what_is_asked_then_the_items_codes() -> None:
    with snap7_server() as port, Client(port) as client:
        found = client.read(
            Stretch("DB", 9, 0, 4), Stretch("DB", 1, 1998, 2003), Stretch("T", 0, 0, 2),
            Stretch("C", 0, 0, 1), Stretch("DB", 1, 0, 3),
        )  # fmt: skip
        assert found == [
            (0x0A, b""), (0x05, b""), (0xFF, bytes(range(4))), (0xFF, bytes(range(2))),
            (0xFF, content("DB", 1)[:3]),
        ]  # fmt: skip
        assert client.ask(client.codec.state()) == ("state", 8)


def test_codec_when_snap7_cuts_the_items_then_what_came_is_right_and_the_rest_known_to_lack() -> (
    None
):
    with snap7_server() as port, Client(port) as client:
        found = client.read(*(Stretch("DB", 1, 2 * n, 2 * n + 1) for n in range(25)))
    assert len(found) == 20
    assert b"".join(data for _, data in found) == content("DB", 1)[:40:2]


TAGS = [
    SimTag("speed", parse("DB12.DBD4"), "float32"),
    SimTag("door", parse("DB12.DBX0.3"), "bool"),
    SimTag("lamp", parse("DB12.DBX0.4"), "bool"),
    SimTag("count", parse("DB12.DBW9"), "int16"),
    SimTag("program", parse("DB12.DBB20"), "string", 12),
    SimTag("begun", parse("DB12.DBB40"), "date_time"),
    SimTag("ended", parse("DB12.DBB60"), "dtl"),
    SimTag("level", parse("MW20"), "uint16"),
    SimTag("total", parse("MD24"), "int32"),
    SimTag("start", parse("I0.1"), "bool"),
    SimTag("valve", parse("Q1.2"), "bool"),
]


def test_simulator_when_nodes7_reads_it_then_the_values_that_it_shows() -> None:
    addresses = {
        "speed": "DB12,REAL4", "door": "DB12,X0.3", "lamp": "DB12,X0.4", "count": "DB12,INT9",
        "program": "DB12,S20.12", "begun": "DB12,DT40", "ended": "DB12,DTL60",
        "level": "MW20", "total": "MDI24", "start": "I0.1", "valve": "Q1.2",
    }  # fmt: skip
    with Simulator(TAGS) as simulator:
        done = subprocess.run(
            ["node", str(_HERE / "nodes7_client.js"), str(simulator.port), "0", "2",
             *addresses.values()],
            capture_output=True, text=True, timeout=30, env={"TZ": "UTC", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        counter = simulator.plc.counter
    found = json.loads(done.stdout)
    assert not found["bad"]
    for tag in TAGS:
        shown, read = value(tag, counter), found["values"][addresses[tag.name]]
        if isinstance(shown, bytes):
            assert read == shown.decode()
        elif isinstance(shown, datetime.datetime):
            assert datetime.datetime.fromisoformat(read).replace(tzinfo=None) == shown
        else:
            assert read == shown, tag.name


def test_simulator_when_snap7_reads_it_then_the_bytes_that_it_holds() -> None:
    with Simulator(TAGS) as simulator:
        client = snap7.client.Client()
        client.connect("127.0.0.1", 0, 1, simulator.port)
        assert client.get_cpu_state() == "S7CpuStatusRun"
        data = client.db_read(12, 0, 72)
        speed, count = TAGS[0], TAGS[3]
        assert bytes(data[4:8]) == encode(speed, simulator.plc.counter)
        assert struct.unpack(">h", data[9:11]) == (value(count, simulator.plc.counter),)
        memory = client.read_area(Areas.MK, 0, 20, 2)
        assert bytes(memory) == encode(TAGS[7], simulator.plc.counter)
        with pytest.raises(RuntimeError, match="not available"):
            client.db_read(13, 0, 4)
        with pytest.raises(RuntimeError):
            client.db_write(12, 0, bytearray(4))
        client.disconnect()
        client.destroy()
