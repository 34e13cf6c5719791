"""The receiver as a gateway meets it: a real process, a real stream, a real store."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
import subprocess
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.contract import examples, receiver
from tests.contract.examples import EPOCH


def put(block: pb.Block) -> pb.StreamRequest:
    return pb.StreamRequest(block=block)


async def send_blocks(address: str, blocks: list[pb.Block]) -> pb.Welcome:
    async with receiver.stream(address) as call:
        await call.write(receiver.hello(EPOCH))
        welcome = (await receiver.answer(call)).welcome
        for request in examples.opening():
            await call.write(request)
        for block in blocks:
            await call.write(put(block))
        await receiver.acked(call, {block.seq for block in blocks})
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.OK
    return welcome


def test_blocks_when_sent_twice_are_stored_once_and_acked_twice(tmp_path: Path) -> None:
    blocks = [examples.block(seq) for seq in (1, 2, 3)]
    store = tmp_path / "store.db"
    with receiver.serving(store) as (address, _):
        first = asyncio.run(send_blocks(address, blocks))
        again = asyncio.run(send_blocks(address, blocks))
    assert (first.window_blocks, first.window_bytes, first.block_bytes_max) == (
        256,
        4 << 20,
        1 << 20,
    )
    assert not first.held[0].held
    assert [(r.first, r.last) for r in again.held[0].held] == [(1, 3)]
    assert again.held[0].catalog_revision == 1
    audit = receiver.ingest("audit", "--store", f"sqlite:{store}", "--json")
    (book,) = json.loads(audit.stdout)["epochs"]
    assert (book["blocks"], book["scans"], book["samples"]) == (3, 30, 60)
    assert (book["duplicates"], book["missing"], book["open"]) == (3, 0, True)
    assert audit.returncode == 0


def test_acked_blocks_when_the_receiver_is_killed_are_held_after_restart(tmp_path: Path) -> None:
    store = tmp_path / "store.db"

    async def send_and_kill(address: str, process: subprocess.Popen[str]) -> None:
        async with receiver.stream(address) as call:
            await call.write(receiver.hello(EPOCH))
            await receiver.answer(call)
            for request in examples.opening():
                await call.write(request)
            await call.write(put(examples.block(1)))
            await receiver.acked(call, {1})
            process.kill()
            process.wait()

    with receiver.serving(store) as (address, process):
        asyncio.run(send_and_kill(address, process))
    with receiver.serving(store) as (address, _):
        welcome = asyncio.run(send_blocks(address, [examples.block(2)]))
    assert [(r.first, r.last) for r in welcome.held[0].held] == [(1, 1)]


def test_export_when_blocks_arrived_gives_exact_values_in_order(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with receiver.serving(store) as (address, _):
        asyncio.run(send_blocks(address, [examples.block(2), examples.block(1)]))
    done = receiver.ingest("export", "--store", f"sqlite:{store}", "--tag", "joint1")
    rows = list(csv.reader(io.StringIO(done.stdout)))
    assert rows[0] == [
        "gateway", "device", "tag", "time_ns", "source_time_ns", "value", "quality",
    ]  # fmt: skip
    times = [1_795_000_000_000_000_000 + tick * examples.PERIOD_NS for tick in range(20)]
    assert rows[1:] == [["gw-1", "robot-3", "joint1", str(t), "", "1.234", "good"] for t in times]


def test_same_name_with_other_content_is_rejected_and_changes_nothing(tmp_path: Path) -> None:
    async def conflict(address: str) -> pb.Reject:
        await send_blocks(address, [examples.block(1)])
        async with receiver.stream(address) as call:
            await call.write(receiver.hello(EPOCH))
            await receiver.answer(call)
            await call.write(put(examples.block(1, add=5)))
            return (await receiver.answer(call)).reject

    store = tmp_path / "store.db"
    with receiver.serving(store) as (address, _):
        reject = asyncio.run(conflict(address))
    assert (reject.seq, reject.reason) == (1, pb.REJECT_REASON_CONFLICT)
    (payload,) = sqlite3.connect(store).execute("SELECT content FROM payloads").fetchone()
    assert payload == examples.block(1).payload


def test_block_over_the_limit_is_rejected_in_words(tmp_path: Path) -> None:
    async def oversized(address: str) -> pb.Reject:
        async with receiver.stream(address) as call:
            await call.write(receiver.hello(EPOCH))
            await receiver.answer(call)
            block = pb.Block(epoch=EPOCH, seq=9, payload=bytes((1 << 20) + 1))
            for piece in examples.pieces(put(block)):
                await call.write(piece)
            return (await receiver.answer(call)).reject

    with receiver.serving(tmp_path / "store.db") as (address, _):
        reject = asyncio.run(oversized(address))
    assert (reject.seq, reject.reason) == (9, pb.REJECT_REASON_TOO_LARGE)
    assert "1048577" in reject.detail


def test_newest_stream_of_a_run_ends_the_older_one(tmp_path: Path) -> None:
    async def two(address: str) -> grpc.StatusCode:
        async with receiver.stream(address) as old, receiver.stream(address) as new:
            await old.write(receiver.hello(EPOCH))
            await receiver.answer(old)
            await new.write(receiver.hello(EPOCH))
            await receiver.answer(new)
            code = await old.code()
            await new.write(pb.StreamRequest(heartbeat=pb.Heartbeat(id=5)))
            assert (await receiver.answer(new)).heartbeat.id == 5
            return code

    with receiver.serving(tmp_path / "store.db") as (address, _):
        assert asyncio.run(two(address)) is grpc.StatusCode.ABORTED


def test_cloned_card_is_refused_and_both_boxes_are_told(tmp_path: Path) -> None:
    async def both(address: str) -> tuple[grpc.StatusCode, str, pb.Notice]:
        async with receiver.stream(address) as innocent, receiver.stream(address) as clone:
            await innocent.write(receiver.hello(EPOCH))
            assert (await receiver.answer(innocent)).HasField("welcome")
            await clone.write(receiver.hello(EPOCH + 1, machine=bytes(16)))
            code, details = await clone.code(), await clone.details()
            notice = (await receiver.answer(innocent)).notice
            await innocent.write(pb.StreamRequest(heartbeat=pb.Heartbeat(id=5)))
            assert (await receiver.answer(innocent)).heartbeat.id == 5  # it goes on
            return code, details, notice

    with receiver.serving(tmp_path / "store.db") as (address, _):
        code, details, notice = asyncio.run(both(address))
    assert code is grpc.StatusCode.ALREADY_EXISTS
    assert "127.0.0.1:" in details and "copied" in details
    assert notice.kind == pb.NOTICE_KIND_CLONE_REFUSED
    assert notice.address.startswith("127.0.0.1:")


def test_health_when_serving_says_so(tmp_path: Path) -> None:
    with (
        receiver.serving(tmp_path / "store.db") as (address, _),
        grpc.insecure_channel(address) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="jiahe.ingest.v1.IngestService")
        status = stub.Check(request, timeout=10).status
    assert status == health_pb2.HealthCheckResponse.SERVING


def test_second_receiver_on_a_port_or_store_in_use_ends_with_words(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with receiver.serving(store) as (address, process):
        for listen, path, words in (
            (address, tmp_path / "other.db", f"{address} can't be listened on"),
            ("127.0.0.1:0", store, f"{store} is in use by pid {process.pid};"),
        ):
            done = receiver.ingest(
                "serve", "--listen", listen, "--store", f"sqlite:{path}", "--insecure"
            )
            assert (done.returncode, words in done.stderr) == (1, True), done.stderr
        asyncio.run(send_blocks(address, [examples.block(1)]))
    with receiver.serving(store) as (address, _):  # the lock ends with its process
        welcome = asyncio.run(send_blocks(address, [examples.block(2)]))
    assert [(r.first, r.last) for r in welcome.held[0].held] == [(1, 1)]
