"""The real receiver's memory when very many boxes come at once (field.md 5.17, 6.1)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from tests.contract import examples, receiver
from tests.contract.examples import EPOCH

BOXES = 400
MEMORY_BYTES_MAX = 512 * 10**6


@contextlib.contextmanager
def crowd(address: str, kind: str, seconds: int) -> Iterator[dict[str, int]]:
    """What the boxes counted, known behind the block: they play while it lasts."""
    counts: dict[str, int] = {}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.contract.crowd", address, kind, str(BOXES), str(seconds)],
        cwd=receiver.ROOT, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield counts
            said, _ = process.communicate(timeout=seconds + 60)
            counts |= json.loads(said)
        finally:
            process.kill()


def most_memory_bytes(process: subprocess.Popen[str]) -> int:
    """The most that the process ever had resident."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def test_memory_when_400_boxes_bring_a_backlog_back_then_below_512_mb(tmp_path: Path) -> None:
    with receiver.serving(tmp_path / "store.db") as (address, process):
        with crowd(address, "homecoming", 8) as counts:
            pass
        most = most_memory_bytes(process)
    assert counts["welcomed"] == BOXES and not counts.get("ended")
    assert counts["acked"] >= BOXES
    assert most < MEMORY_BYTES_MAX


async def is_served(address: str) -> None:
    """A box that keeps to the rules, among those that do not."""
    async with receiver.stream(address) as call:
        await call.write(receiver.hello(EPOCH, "honest"))
        assert (await receiver.answer(call)).HasField("welcome")
        for request in examples.opening():
            await call.write(request)
        for seq in range(1, 6):
            await call.write(pb.StreamRequest(block=examples.block(seq)))
            await receiver.acked(call, {seq})


def test_memory_when_400_hostile_boxes_send_all_that_they_can_then_below_512_mb(
    tmp_path: Path,
) -> None:
    """Blocks and pieces of the largest message, whatever the window is, blocks of 600 bytes that
    unpack to 6 MB, and messages without an end: what is too much is not read. A box that keeps to
    the rules is served meanwhile."""
    with receiver.serving(tmp_path / "store.db") as (address, process):
        with crowd(address, "hostile", 8) as counts:
            while most_memory_bytes(process) < 150 * 10**6:  # they are at it
                assert process.poll() is None
            asyncio.run(asyncio.wait_for(is_served(address), 30))
        most = most_memory_bytes(process)
    assert counts["welcomed"] == BOXES
    assert counts["unfinished"] == BOXES // 4
    assert counts["bytes"] > limits.HELD_BYTES_TOTAL + limits.PIECES_BYTES_TOTAL
    assert most < MEMORY_BYTES_MAX
