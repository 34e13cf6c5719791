"""A daemon that is kept from running: answers that came meanwhile are answers, no time-outs."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit.rig import Rig, wait_for

pytestmark = pytest.mark.slow

GATEWAY = "gw-starved"
#: More than the scan thread takes out of the kernel at once.
MACHINES = 150
#: How long a machine thinks: so most of them have a request under way at any moment.
THINKS_S = 0.05
#: A machine that another test keeps from running for a while answers in time all the same.
TIMEOUT_MS, FROZEN_S = 1500, 2.0


@contextmanager
def thinking_machines() -> Iterator[list[str]]:
    """Modbus TCP servers at an address each that answer any read after THINKS_S."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readexactly(12)
                transaction, unit, count = struct.unpack(">H4xB3xH", head)
                size = 2 * count
                answer = struct.pack(">HHHBBB", transaction, 0, 3 + size, unit, 3, size)
                later = asyncio.get_running_loop().call_later
                later(THINKS_S, writer.write, answer + bytes(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        first = await asyncio.start_server(serve, "127.2.0.1", 0)
        port = first.sockets[0].getsockname()[1]
        for n in range(2, MACHINES + 1):
            await asyncio.start_server(serve, f"127.2.0.{n}", port)
        addresses.extend(f"127.2.0.{n}:{port}" for n in range(1, MACHINES + 1))
        ready.set()
        await ended.wait()

    addresses: list[str] = []
    ready, loop, ended = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield addresses
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(30)


def links(addresses: list[str]) -> str:
    parts = []
    for n, address in enumerate(addresses):
        parts.append(f'[links.l{n}]\ntype = "tcp"\naddress = "{address}"')
        parts.append(f'timeout = "{TIMEOUT_MS} ms"')
        parts.append(f'[devices.d{n}]\nlink = "l{n}"\ndriver = "modbus"\nevery = "100 ms"')
        parts.append(f'[devices.d{n}.tags]\nt = {{ address = "holding:0", type = "int16" }}')
    return "\n".join(parts) + "\n"


def test_daemon_when_kept_from_running_then_what_was_answered_meanwhile_is_no_time_out(
    tmp_path: Path,
) -> None:
    with thinking_machines() as addresses, Rig(tmp_path / "run", GATEWAY) as rig:
        rig.config.write_text(rig.head() + links(addresses), encoding="utf-8")
        rig.start_daemon()
        assert rig.daemon is not None

        def told() -> list[dict[str, int]]:
            status = rig.status()
            return [] if status is None else status["links"]

        wait_for(
            "answers of all machines",
            lambda: len(told()) == MACHINES and all(one["answers"] > 2 for one in told()),
        )
        before = sum(one["timeouts"] for one in told())
        for _ in range(4):
            os.kill(rig.daemon.pid, signal.SIGSTOP)
            threading.Event().wait(FROZEN_S)
            os.kill(rig.daemon.pid, signal.SIGCONT)
            answers = sum(one["answers"] for one in told())
            wait_for(
                "it goes on", lambda seen=answers: sum(one["answers"] for one in told()) > seen
            )
        assert sum(one["timeouts"] for one in told()) == before
