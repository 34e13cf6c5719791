"""Modbus servers that others wrote, started for a test and ended with it. All serve `table`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from drivers.api import TlsFiles

_HERE = Path(__file__).parent


class PeerError(Exception):
    """A peer did not start; says what it said."""


def build_libmodbus_server(folder: Path) -> Path:
    """Compile the C server. Raises PeerError with the compiler's words."""
    binary = folder / "libmodbus_server"
    command = ["gcc", "-Wall", "-Wextra", "-Werror", "-O2", "-I/usr/include/modbus"]
    source = str(_HERE / "libmodbus_server.c")
    built = subprocess.run(
        [*command, "-o", str(binary), source, "-lmodbus"], capture_output=True, text=True
    )
    if built.returncode:
        raise PeerError(f"libmodbus_server.c does not compile:\n{built.stderr}")
    return binary


def libmodbus(binary: Path, table: Path, *serial: str) -> Sequence[str]:
    """Command of the C server; `serial` is a path and a baud rate, left out for TCP."""
    return [str(binary), str(table), *(("rtu", *serial) if serial else ("tcp",))]


def pymodbus(table: Path, *serial: str, framing: str = "rtu") -> Sequence[str]:
    """Command of the pymodbus server, likewise; `framing` (rtu, ascii) of a serial port."""
    script = str(_HERE / "pymodbus_server.py")
    return [sys.executable, script, str(table), *((framing, *serial) if serial else ("tcp",))]


def pymodbus_secured(table: Path, files: TlsFiles) -> Sequence[str]:
    """Command of the pymodbus server by Modbus Security."""
    script = str(_HERE / "pymodbus_server.py")
    paths = (files.cert, files.key, files.ca)
    return [sys.executable, script, str(table), "tls", *map(str, paths)]


def modbus_serial(table: Path, *serial: str) -> Sequence[str]:
    """Command of the JavaScript server, likewise; RTU on a serial port."""
    return ["node", str(_HERE / "modbus_serial_server.js"), str(table), *serial]


@contextmanager
def running(command: Sequence[str]) -> Iterator[int]:
    """The server while it runs; its TCP port, 0 on a serial port. Raises PeerError."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None and server.stderr is not None
            word, _, port = server.stdout.readline().strip().partition(" ")
            if word != "ready":
                server.kill()
                raise PeerError(f"{' '.join(command)}: {server.stderr.read()}")
            yield int(port or 0)
        finally:
            server.kill()
