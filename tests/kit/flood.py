"""A controller in a process of its own that is in step for a while, and then repeats one late
answer as fast as it can.

    python -m tests.kit.flood [CA CERT KEY]      by Modbus Security, where files are given

Says its port, then "flood" when it begins; a line on its input ends it, with a reset.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path
from threading import Thread

from drivers.api import TlsFiles
from drivers.modbus.simulator.tcp import server_context

HONEST, CHUNK = 20, 16_000


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def _serve(listener: socket.socket, files: TlsFiles | None) -> None:
    sock, _ = listener.accept()
    listener.close()
    if files:
        sock = server_context(files).wrap_socket(sock, server_side=True)
    for number in range(HONEST + 1):
        transaction, _, _, unit, function, _, count = struct.unpack(">HHHBBHH", sock.recv(12))
        data = bytes(2 * count)
        head = (transaction, 0, 3 + len(data), unit, function, len(data))
        answer = struct.pack(">HHHBBB", *head) + data
        if number < HONEST:
            sock.sendall(answer)
    sock.recv(12)  # so the one before was given up
    _say("flood")
    chunk = answer * (CHUNK // len(answer))
    try:
        while True:
            sock.sendall(chunk)
    except OSError:
        return  # the gateway gave it up


def main() -> None:
    files = TlsFiles(*map(Path, sys.argv[1:])) if sys.argv[1:] else None
    listener = socket.create_server(("127.0.0.1", 0))
    _say(str(listener.getsockname()[1]))
    Thread(target=_serve, args=(listener, files), daemon=True).start()
    sys.stdin.readline()
    os._exit(0)  # what it has not read makes that a reset


if __name__ == "__main__":
    main()
