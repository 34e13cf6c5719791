"""The peers against each other: pymodbus's client reads the table from every server that others
wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import pytest
from pymodbus import FramerType
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.client.mixin import ModbusClientMixin

from tests.kit.wire import crossed_pair
from tests.peer import servers, table

_BAUD = 115200
Client = ModbusTcpClient | ModbusSerialClient
Order = Literal["big", "little"]


def assert_serves_table(client: Client) -> None:
    """Every value, decoded by pymodbus where it knows the order, and every register and bit."""
    entries = table.entries()
    words = table.registers()
    for read in (client.read_holding_registers, client.read_input_registers):
        answer = read(table.FIRST, count=len(words), device_id=1)
        assert not answer.isError(), answer
        assert dict(enumerate(answer.registers, table.FIRST)) == words
    for bits in (client.read_coils, client.read_discrete_inputs):
        answer = bits(0, count=len(table.BITS), device_id=1)
        assert not answer.isError(), answer
        assert dict(enumerate(answer.bits[: len(table.BITS)])) == table.BITS
    for entry in entries:
        if entry.type in _PYMODBUS and entry.order in ("ABCD", "CDAB"):
            order: Order = "big" if entry.order == "ABCD" else "little"
            raw = list(entry.registers)
            got = client.convert_from_registers(raw, _PYMODBUS[entry.type], word_order=order)
            assert got == pytest.approx(entry.value, rel=1e-6), entry


_TYPES = ModbusClientMixin.DATATYPE
_PYMODBUS = {
    "int16": _TYPES.INT16,
    "uint16": _TYPES.UINT16,
    "int32": _TYPES.INT32,
    "uint32": _TYPES.UINT32,
    "int64": _TYPES.INT64,
    "uint64": _TYPES.UINT64,
    "float32": _TYPES.FLOAT32,
    "float64": _TYPES.FLOAT64,
}


def test_table_from_a_peer_over_tcp_is_read_by_pymodbus(
    peer: Callable[..., Sequence[str]],
) -> None:
    with (
        servers.running(peer()) as port,
        ModbusTcpClient("127.0.0.1", port=port, timeout=5) as client,
    ):
        assert_serves_table(client)


def test_table_from_a_peer_on_a_serial_port_is_read_by_pymodbus(
    peer: Callable[..., Sequence[str]],
) -> None:
    with crossed_pair(baud=_BAUD) as pair:
        client = ModbusSerialClient(
            str(pair.right), framer=FramerType.RTU, baudrate=_BAUD, timeout=5
        )
        with servers.running(peer(str(pair.left), str(_BAUD))), client:
            assert_serves_table(client)


def test_peer_that_cannot_start_says_why(libmodbus_server: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(servers.PeerError, match="usage"),
        servers.running([str(libmodbus_server), str(tmp_path / "nothing"), "tcp"]),
    ):
        pass
