"""Our simulator read by clients that others wrote, mbpoll and pymodbus: TCP and terminals."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.pdu.diag_message import ReturnQueryDataResponse
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse

from drivers.modbus.simulator import Unit, raw_value
from tests.kit.wire import SMALL, serial_bus, tcp_units

_BAUD = 115200
Client = ModbusTcpClient | ModbusSerialClient


def assert_reads(client: Client, unit: Unit) -> None:
    """Counter, numbers, bits, identification and echo of one unit, as pymodbus sees them."""
    seed, number = unit.store.seed, unit.number
    level, flow, total, running, door, _ = SMALL.tags
    answer = client.read_holding_registers(0, count=6, device_id=number)
    words = answer.registers
    counter = words[0] << 16 | words[1]
    assert counter == unit.counter > 0
    assert words[2] == int(raw_value(level, counter, seed)) & 0xFFFF
    swapped = struct.pack(">HH", words[5], words[4])
    assert struct.unpack(">f", swapped)[0] == raw_value(flow, counter, seed)
    words = client.read_input_registers(2, count=2, device_id=number).registers
    assert words[0] << 16 | words[1] == raw_value(total, counter, seed)
    bits = client.read_coils(0, count=10, device_id=number).bits
    assert bits[3] == raw_value(running, counter, seed)
    bits = client.read_discrete_inputs(9, count=1, device_id=number).bits
    assert bits[0] == raw_value(door, counter, seed)
    about = client.read_device_information(device_id=number)
    assert isinstance(about, ReadDeviceInformationResponse)
    assert about.information[0] == b"Jiahe"
    echo = client.diag_query_data(b"\xa5\x37", device_id=number)
    assert isinstance(echo, ReturnQueryDataResponse)
    assert echo.message == b"\xa5\x37"
    refused = client.write_register(0, 1, device_id=number)
    assert refused.isError() and refused.exception_code == 1


@pytest.mark.parametrize(
    ("framing", "framer"),
    [("tcp", FramerType.SOCKET), ("rtu", FramerType.RTU), ("ascii", FramerType.ASCII)],
)
def test_simulator_over_tcp_is_read_by_pymodbus(framing: str, framer: FramerType) -> None:
    with (
        tcp_units(units=[1, 247], framing=framing) as wire,
        ModbusTcpClient(wire.host, port=wire.port, framer=framer, timeout=5) as client,
    ):
        for unit in wire.simulator.units:
            assert_reads(client, unit)


@pytest.mark.parametrize(
    ("framing", "framer"), [("rtu", FramerType.RTU), ("ascii", FramerType.ASCII)]
)
def test_simulator_on_a_bus_is_read_by_pymodbus(
    framing: str, framer: FramerType, tmp_path: Path
) -> None:
    with serial_bus(tmp_path / "com1", units=3, baud=_BAUD, framing=framing) as wire:
        client = ModbusSerialClient(str(wire.path), framer=framer, baudrate=_BAUD, timeout=5)
        with client:
            for unit in wire.simulator.units:
                assert_reads(client, unit)
        assert wire.bus.collisions == 0


def mbpoll(*arguments: str) -> dict[int, int]:
    """Registers by reference, from 1, as mbpoll prints them."""
    done = subprocess.run(
        ["mbpoll", "-1", "-t", "4:hex", "-r", "1", "-c", "4", *arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"\[(\d+)\]:\s+0x([0-9A-F]{4})", done.stdout)
    return {int(reference): int(word, 16) for reference, word in found}


def assert_small(words: dict[int, int], unit: Unit) -> None:
    """What mbpoll printed is what the unit shows at its counter."""
    level = SMALL.tags[0]
    assert words[1] << 16 | words[2] == unit.counter == 1
    assert words[3] == int(raw_value(level, 1, unit.store.seed)) & 0xFFFF


def test_simulator_over_tcp_is_read_by_mbpoll() -> None:
    with tcp_units() as wire:
        words = mbpoll("-m", "tcp", "-p", str(wire.port), "-a", "1", wire.host)
        assert_small(words, wire.simulator.units[0])


def test_simulator_on_a_bus_is_read_by_mbpoll(tmp_path: Path) -> None:
    with serial_bus(tmp_path / "com1", units=[1, 7], baud=19200) as wire:
        arguments = ("-m", "rtu", "-b", "19200", "-P", "none", "-a", "7", str(wire.path))
        assert_small(mbpoll(*arguments), wire.simulator.units[1])
