"""A machine that says what a trace says: each request it gets is answered with the next row.

    python -m bench.machine NAME SEED      prints its port; ends when its input is closed

Its registers are those of `addresses`: one request reads them all, so a scan is a row.
"""

from __future__ import annotations

import socketserver
import struct
import sys
import threading
from collections.abc import Iterator
from itertools import cycle

from bench.traces import SYNTHETIC, Trace, recorded
from drivers.api import TYPE_BYTES

_FORMATS = {"int16": "h", "uint16": "H", "int32": "i", "float32": "f"}
REGISTERS_MAX = 125


def trace_of(name: str, seed: int) -> Trace:
    """Raises KeyError where a recorded trace is not at hand."""
    if name in SYNTHETIC:
        return SYNTHETIC[name](seed)
    return dict(recorded())[name]


def addresses(trace: Trace) -> list[int]:
    """The first register of each value. Raises ValueError where one request does not reach all."""
    found, at = [], 0
    for kind in trace.types:
        found.append(at)
        at += TYPE_BYTES[kind] // 2
    if at > REGISTERS_MAX:
        raise ValueError(f"{at} registers: a request reads {REGISTERS_MAX}")
    return found


def answers(trace: Trace) -> Iterator[bytes]:
    """The rows as registers, over and over."""
    pack = struct.Struct(">" + "".join(_FORMATS[kind] for kind in trace.types)).pack
    return cycle([pack(*row) for row in trace.rows])


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    rows: Iterator[bytes]


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        while len(request := self.rfile.read(12)) == 12:
            transaction, unit, function, first, count = struct.unpack(">H4xBBHH", request)
            row = next(self.server.rows)[2 * first : 2 * (first + count)]
            head = struct.pack(">HHHBBB", transaction, 0, 3 + len(row), unit, function, len(row))
            self.wfile.write(head + row)


def main() -> None:
    name, seed = sys.argv[1:]
    with _Server(("127.0.0.1", 0), _Connection) as server:
        server.rows = answers(trace_of(name, int(seed)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
