"""Snap7's servers in C, each a CPU at an address of its own: `python -m bench.s7_server CPUS SIZE`.

Prints their port; ends with its input. Their values move ten times a second.
"""

from __future__ import annotations

import ctypes
import select
import socket
import struct
import sys

import snap7
from snap7.types import srvAreaDB

_BEAT_S = 0.1


def main() -> None:
    cpus, size = map(int, sys.argv[1:])
    with socket.create_server(("127.1.0.1", 0)) as free:
        port = free.getsockname()[1]
    servers, block = [], (ctypes.c_ubyte * size)()
    for n in range(1, cpus + 1):
        servers.append(snap7.server.Server(log=False))
        servers[-1].register_area(srvAreaDB, 1, block)
        servers[-1].set_param(1, port)  # the local port
        servers[-1].start_to(f"127.1.0.{n}", port)
    print(port, flush=True)
    beat = 0
    while not select.select([sys.stdin], [], [], _BEAT_S)[0]:
        beat += 1
        for at in range(0, size - 3, 4):
            struct.pack_into(">f", block, at, at + beat / 8)
    for server in servers:
        server.stop()
        server.destroy()


if __name__ == "__main__":
    main()
