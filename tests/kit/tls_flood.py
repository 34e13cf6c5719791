"""A controller in a process of its own that is in step for a while, and then repeats one late
answer as fast as it can, encrypted.

    python -m tests.kit.tls_flood CA CERT KEY

Says its port, then "flood" when it begins; ends with its input.
"""

from __future__ import annotations

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


def _serve(listener: socket.socket, files: TlsFiles) -> None:
    plain, _ = listener.accept()
    with server_context(files).wrap_socket(plain, server_side=True) as sock:
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
    files = TlsFiles(*map(Path, sys.argv[1:]))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _say(str(listener.getsockname()[1]))
        Thread(target=_serve, args=(listener, files), daemon=True).start()
        sys.stdin.read()


if __name__ == "__main__":
    main()
