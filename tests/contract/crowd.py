"""Very many boxes at once, in a process of their own: each with a stream and a connection.

    python -m tests.contract.crowd ADDRESS KIND BOXES SECONDS

All say Hello first. When all are done, or SECONDS later, it says in one line of JSON what was
counted: streams welcomed, ended by the receiver, done; blocks acknowledged; bytes sent. The kinds
are below.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import grpc
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from tests.contract import examples, receiver
from tests.contract.unfinished import Unfinished

_METHOD = "/jiahe.ingest.v1.IngestService/Stream"
#: What a box brings back in field.md 5.17.
_BLOCKS, _BLOCK_BYTES = 48, 20_000
#: Beside what a message carries.
_MESSAGE_BYTES_OVER = 200


class Box:
    """One stream. Messages are bytes: a crowd says the same, which is serialized once."""

    def __init__(self, address: str, number: int, counts: Counter[str]) -> None:
        self.number, self.counts = number, counts
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.aio.insecure_channel(address, options)
        self._call = self._channel.stream_stream(_METHOD, None, None)()

    async def opened(self) -> pb.Welcome:
        await self.send(_hello(self.number))
        welcome = (await self.heard()).welcome
        self.counts["welcomed"] += 1
        return welcome

    async def send(self, *messages: bytes) -> None:
        for message in messages:
            await self._call.write(message)
            self.counts["bytes"] += len(message)

    async def heard(self) -> pb.StreamResponse:
        """The next message. Raises EOFError at the end of the stream."""
        data = await self._call.read()
        if not isinstance(data, bytes):
            raise EOFError
        return pb.StreamResponse.FromString(data)

    async def acknowledged(self, on_way: dict[int, int]) -> None:
        """Take what the next message acknowledges out of `on_way`."""
        for one in (await self.heard()).ack.ranges:
            for seq in range(one.first, one.last + 1):
                self.counts["acked"] += on_way.pop(seq, None) is not None

    async def close(self) -> None:
        self._call.cancel()
        await self._channel.close()


def _hello(number: int) -> bytes:
    return receiver.hello(examples.EPOCH, f"gw-{number}").SerializeToString()


def _blocks(count: int, size: int) -> list[bytes]:
    """Messages with a block each, of random counters: no compression makes them much smaller."""
    chance = random.Random(count)
    ticks = size // 5
    return [
        pb.StreamRequest(
            block=examples.block(
                seq, ticks=ticks, counters=[chance.getrandbits(32) for _ in range(ticks)]
            )
        ).SerializeToString()
        for seq in range(1, count + 1)
    ]


Play = Callable[[str, int, Counter[str]], Awaitable[None]]


def homecoming(all_there: asyncio.Barrier) -> Play:
    """Boxes that were cut off bring their backlog back, each as far as its window goes."""
    opening = [request.SerializeToString() for request in examples.opening()]
    blocks = _blocks(_BLOCKS, _BLOCK_BYTES)

    async def bring(box: Box) -> None:
        window = (await box.opened()).window_bytes
        await all_there.wait()
        await box.send(*opening)
        on_way: dict[int, int] = {}
        for seq, message in enumerate(blocks, 1):
            while on_way and sum(on_way.values()) + len(message) > window:
                await box.acknowledged(on_way)
            on_way[seq] = len(message)
            await box.send(message)
        while on_way:
            await box.acknowledged(on_way)

    return _by_grpc(bring)


def hostile(all_there: asyncio.Barrier) -> Play:
    """Boxes that keep to no window, all at once: blocks and pieces as long as a message may be,
    small blocks that unpack to very much, and messages that never end."""
    opening = [request.SerializeToString() for request in examples.opening()]
    room = limits.MESSAGE_BYTES_MAX - _MESSAGE_BYTES_OVER
    floods = (_pieces(room), 3 * _blocks(2, room * 9 // 10), 60 * _still())

    async def flood(box: Box) -> None:
        await box.opened()
        await all_there.wait()
        await box.send(*opening)
        for _ in range(2):
            await box.send(*floods[box.number % 4 - 1])

    by_grpc = _by_grpc(flood)

    async def play(address: str, number: int, counts: Counter[str]) -> None:
        if number % 4 == 0:
            await _never_end(address, number, counts, all_there)
        else:
            await by_grpc(address, number, counts)

    return play


def _still() -> list[bytes]:
    """A block of a plant that stands still, some thousand times smaller than it is."""
    count = limits.ROWS_MAX
    run = examples.run(0, 1)
    run.ticks = count
    run.late_us[:] = run.half_span_us[:] = [0] * count
    for column in run.columns:
        column.order = 0
        column.values[:] = [100] * count
    made = examples.encode.block(examples.EPOCH, 1, pb.BlockPayload(runs=[run]))
    return [pb.StreamRequest(block=made).SerializeToString()]


def _pieces(room: int) -> Sequence[bytes]:
    """Half of the longest message that may come in pieces."""
    content = bytes(limits.PIECED_BYTES_MAX)
    return [
        pb.StreamRequest(
            piece=pb.Piece(
                message_id=examples.content_id(content), message_size=len(content), offset=offset,
                data=content[offset : offset + room],
            )
        ).SerializeToString()
        for offset in range(0, len(content) // 2, room)
    ]  # fmt: skip


async def _never_end(
    address: str, number: int, counts: Counter[str], all_there: asyncio.Barrier
) -> None:
    """A message as long as it may be, but for its last byte."""
    raw = await Unfinished.to(address)
    try:
        await raw.send(_hello(number))
        await raw.answered()
        counts["welcomed"] += 1
        await all_there.wait()
        await raw.send(bytes(limits.MESSAGE_BYTES_MAX - 1), limits.MESSAGE_BYTES_MAX)
        counts["unfinished"] += 1
        await raw.lost()
    finally:
        counts["bytes"] += raw.sent
        await raw.close()


def _by_grpc(play: Callable[[Box], Awaitable[None]]) -> Play:
    async def one(address: str, number: int, counts: Counter[str]) -> None:
        box = Box(address, number, counts)
        try:
            await play(box)
            counts["done"] += 1
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, EOFError):
            counts["ended"] += 1
        finally:
            await box.close()

    return one


async def crowd(address: str, kind: str, boxes: int, seconds: float) -> Counter[str]:
    """What the boxes counted."""
    counts: Counter[str] = Counter()
    all_there = asyncio.Barrier(boxes + 1)
    play = {"homecoming": homecoming, "hostile": hostile}[kind](all_there)
    tasks = [asyncio.create_task(play(address, number, counts)) for number in range(boxes)]
    await all_there.wait()
    done, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    for task in done:
        task.result()
    return counts


if __name__ == "__main__":
    address, kind, boxes, seconds = sys.argv[1:]
    counted = asyncio.run(crowd(address, kind, int(boxes), float(seconds)))
    sys.stdout.write(json.dumps(counted) + "\n")
