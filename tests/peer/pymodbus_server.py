"""A Modbus server made of pymodbus, for the tests: the table in a file, over TCP or a serial port.

pymodbus_server.py TABLE tcp            any free port of 127.0.0.1, said as "ready PORT"
pymodbus_server.py TABLE tls CERT KEY CA   the same by Modbus Security
pymodbus_server.py TABLE rtu PATH BAUD  unit 1 on a serial port, 8N1, said as "ready"; or ascii
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path
from typing import cast

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

ADDRESSES = 1000


def device(table: Path) -> SimDevice:
    """Unit 1 with the table's values, 0 elsewhere, in four separate spaces."""
    spaces: dict[str, list[int]] = {
        space: [0] * ADDRESSES for space in ("coil", "discrete", "holding", "input")
    }
    for line in table.read_text(encoding="ascii").splitlines():
        space, address, value = line.split()
        spaces[space][int(address)] = int(value)
    bits = [
        [SimData(0, values=[bool(v) for v in spaces[space]], datatype=DataType.BITS)]
        for space in ("coil", "discrete")
    ]
    words = [
        [SimData(0, values=list(spaces[space]), datatype=DataType.REGISTERS)]
        for space in ("holding", "input")
    ]
    return SimDevice(1, simdata=(bits[0], bits[1], words[0], words[1]))


async def serve(table: Path, kind: str, *port: str) -> None:
    """Until killed."""
    if kind == "tcp":
        server = ModbusTcpServer(device(table), address=("127.0.0.1", 0))
        await listen(server)
    elif kind == "tls":
        cert, key, ca = port
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
        context.load_cert_chain(cert, key)
        context.verify_mode = ssl.CERT_REQUIRED
        # Its own framer for TLS leaves the MBAP header out, against the specification.
        secured = ModbusTlsServer(
            device(table), address=("127.0.0.1", 0), framer=FramerType.SOCKET, sslctx=context
        )
        await listen(secured)
    else:
        path, baud = port
        serial = ModbusSerialServer(
            device(table), framer=FramerType(kind), port=path, baudrate=int(baud)
        )
        await serial.serve_forever(background=True)
        say("ready")
    await asyncio.Event().wait()


async def listen(server: ModbusTcpServer) -> None:
    await server.serve_forever(background=True)
    listening = cast(asyncio.Server, server.transport)
    say(f"ready {listening.sockets[0].getsockname()[1]}")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), *sys.argv[2:]))
