"""One bad gateway, or one damaged row, and a receiver that goes on serving the others."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.contract import encode, examples, receiver
from tests.contract.examples import EPOCH


async def told(address: str, gateway: str, *requests: pb.StreamRequest) -> pb.StreamResponse:
    """What `gateway` hears after its Welcome."""
    async with receiver.stream(address) as call:
        await call.write(receiver.hello(EPOCH, gateway))
        assert (await receiver.answer(call)).HasField("welcome")
        for request in requests:
            await call.write(request)
        return await receiver.answer(call)


def serves(address: str, gateway: str = "good") -> bool:
    """Whether a gateway can say Hello and has its first block acknowledged."""
    requests = (*examples.opening(), pb.StreamRequest(block=examples.block(1)))
    return asyncio.run(told(address, gateway, *requests)).HasField("ack")


@pytest.mark.parametrize("seq", [1 << 53, (1 << 63) - 1, (1 << 64) - 1])
def test_block_of_an_impossible_seq_is_refused_and_another_gateway_is_served(
    tmp_path: Path, seq: int
) -> None:
    block = encode.block(EPOCH, seq, pb.BlockPayload(), compression=pb.COMPRESSION_NONE)
    with receiver.serving(tmp_path / "store.db") as (address, _):
        requests = (*examples.opening(), pb.StreamRequest(block=block))
        said = asyncio.run(told(address, "bad", *requests))
        assert (said.reject.seq, said.reject.reason) == (seq, pb.REJECT_REASON_MALFORMED)
        assert serves(address)


def test_catalog_damaged_at_rest_ends_its_gateway_s_stream_and_another_is_served(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    name = examples.catalog().id
    with receiver.serving(path) as (address, _):
        assert serves(address, "sick")
    sql = sqlite3.connect(path)
    sql.execute("UPDATE contents SET content = x'ff' WHERE catalog = ?", (name,))
    sql.commit()
    sql.close()

    async def ends(address: str) -> str:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await told(address, "sick", pb.StreamRequest(block=examples.block(2)))
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        return error.value.details() or ""

    with receiver.serving(path) as (address, _):
        assert "is damaged in the store" in asyncio.run(ends(address))
        assert serves(address)  # it sends its catalog itself


def test_receiver_whose_writer_ends_unasked_ends_with_words(tmp_path: Path) -> None:
    """Not even a fault of the program may leave a process that serves nobody."""
    ends = (
        "import sys, ingest.main; from ingest.stores import hello;"
        "hello.hello = lambda *_, **__: sys.exit(); sys.exit(ingest.main.main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", ends, "serve", "--listen", "127.0.0.1:0", "--json", "--insecure",
         "--store", f"sqlite:{tmp_path / 'store.db'}"],
        cwd=receiver.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        address = json.loads(process.stdout.readline())["address"]
        with pytest.raises(grpc.aio.AioRpcError):
            asyncio.run(told(address, "gw-1"))
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 1
    assert "its writer ended" in said.splitlines()[-1]
