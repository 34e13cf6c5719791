"""A real `jiahe-ingest serve` in a process of its own, and a small client that speaks to it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
from jiahe.ingest.v1 import ingest_pb2 as pb
from jiahe.ingest.v1 import ingest_pb2_grpc

from tests.contract import examples

ROOT = Path(__file__).parents[2]
Stream = grpc.aio.StreamStreamCall[pb.StreamRequest, pb.StreamResponse]


def ingest(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one `jiahe-ingest` command to its end."""
    return python("-m", "ingest.main", *arguments)


def python(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@contextlib.contextmanager
def serving(store: Path, *options: str | Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """(address, process) of a receiver on loopback; SIGTERM and a clean exit at the end."""
    security = options or ("--insecure",)
    process = subprocess.Popen(
        [sys.executable, "-m", "ingest.main", "serve", "--listen", "127.0.0.1:0", "--json",
         "--store", f"sqlite:{store}", *map(str, security)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        yield ready["address"], process
        if process.poll() is None:  # else the test killed it
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()


@contextlib.asynccontextmanager
async def stream(
    address: str,
    credentials: grpc.ChannelCredentials | None = None,
    metadata: tuple[tuple[str, str], ...] = (),
) -> AsyncIterator[Stream]:
    """An open stream to the receiver."""
    options = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own, as a box has
    channel = (
        grpc.aio.insecure_channel(address, options)
        if credentials is None
        else grpc.aio.secure_channel(address, credentials, options)
    )
    async with channel:
        # Typed stubs of grpc know only the form that is given an iterator of requests.
        stub: Any = ingest_pb2_grpc.IngestServiceStub(channel)
        yield stub.Stream(metadata=metadata)


def hello(
    epoch: int,
    gateway: str = "gw-1",
    boot_id: str = "boot-a",
    earlier: tuple[int, ...] = (),
    machine: bytes = examples.MACHINE,
    installation: bytes = examples.INSTALLATION,
    catalogs: tuple[bytes, ...] = (),
) -> pb.StreamRequest:
    return pb.StreamRequest(
        hello=pb.Hello(
            protocol_min=1,
            protocol_max=1,
            features=[1, 2, 3, 4, 5],
            gateway=gateway,
            epoch=epoch,
            boot_id=boot_id,
            installation=installation,
            machine=machine,
            software="test",
            catalogs=catalogs,
            earlier=[pb.EpochKept(epoch=one) for one in earlier],
        )
    )


async def answer(call: Stream) -> pb.StreamResponse:
    """The next message; a test that waits for an end should see the RpcError instead."""
    message = await call.read()
    assert isinstance(message, pb.StreamResponse), await call.details()
    return message


async def acked(call: Stream, wanted: set[int]) -> None:
    """Read until every seq of `wanted` is acknowledged; anything but an Ack fails."""
    left = set(wanted)
    while left:
        message = await answer(call)
        assert message.WhichOneof("message") == "ack", message
        for one in message.ack.ranges:
            left -= set(range(one.first, one.last + 1))
