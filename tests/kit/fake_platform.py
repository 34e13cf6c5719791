"""A platform in memory that keeps the rules of the contract, and books to check the box by."""

from __future__ import annotations

from collections.abc import Callable

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer.ranges import RangeSet

Reply = Callable[[bytes], None]


class FakePlatform:
    """What it stored, by (epoch, seq). `holding` keeps acks back; `reject` picks blocks."""

    def __init__(self, *, window_blocks: int = 8, window_bytes: int = 1 << 20) -> None:
        self.window_blocks, self.window_bytes = window_blocks, window_bytes
        self.block_bytes_max = 1 << 20
        self.blocks: dict[tuple[int, int], pb.Block] = {}
        self.gaps: list[pb.Gap] = []
        self.closed: set[int] = set()
        self.offered: list[tuple[int, int, int]] = []  # epoch, seq, lane, in order of arrival
        self.conflicts = 0
        self.catalogs: set[tuple[int, int]] = set()  # durable, as the blocks
        self.catalogs_came = self.heartbeats_came = 0
        self.without_catalog = 0
        self.highest = 0
        self.holding = False
        self.reject: Callable[[pb.Block], bool] = lambda block: False
        self.utc_ns: Callable[[], int] = lambda: 0
        self.heartbeat_ms = 1000
        self.peers: list[PlatformPeer] = []

    def accept(self, reply: Reply) -> PlatformPeer:
        peer = PlatformPeer(self, reply)
        self.peers.append(peer)
        return peer

    def held(self, epoch: int) -> RangeSet:
        return RangeSet((s, s) for e, s in sorted(self.blocks) if e == epoch)

    def store(self, block: pb.Block) -> None:
        """Durable, once; a second content under one name is counted."""
        key = (block.epoch, block.seq)
        content = pb.Block.FromString(block.SerializeToString())
        content.ClearField("lane")
        known = self.blocks.get(key)
        if known is not None:
            self.conflicts += known != content
            return
        self.blocks[key] = content
        payload = pb.BlockPayload.FromString(block.payload)
        self.gaps += payload.gaps
        ends = (gap for gap in payload.gaps if gap.count_unknown or gap.end_of_epoch)
        self.closed |= {gap.epoch for gap in ends}
        if payload.end_of_epoch:
            self.closed.add(block.epoch)


class PlatformPeer:
    """One stream."""

    def __init__(self, platform: FakePlatform, reply: Reply) -> None:
        self.platform, self._reply = platform, reply
        self.hello: pb.Hello | None = None
        self._named: list[int] = []
        self._unacked: list[tuple[int, int]] = []

    def send(self, **message: object) -> None:
        response = pb.StreamResponse(**message)  # type: ignore[arg-type]  # one field, by name
        self._reply(response.SerializeToString())

    def receive(self, message: bytes) -> None:
        request = pb.StreamRequest.FromString(message)
        kind = request.WhichOneof("message")
        if kind == "hello":
            self.hello = request.hello
            self._hello(request.hello.earlier, request.hello.more)
        elif kind == "hello_page":
            self._hello(request.hello_page.earlier, request.hello_page.more)
        elif kind == "catalog":
            self.platform.catalogs.add((request.catalog.epoch, request.catalog.revision))
            self.platform.catalogs_came += 1
        elif kind == "heartbeat":
            self.platform.heartbeats_came += 1
            beat = pb.Heartbeat(id=request.heartbeat.id, utc_ns=self.platform.utc_ns())
            self.send(heartbeat=beat)
        elif kind == "block":
            self._block(request.block)

    def _hello(self, earlier: object, more: bool) -> None:
        assert self.hello is not None
        self._named += [kept.epoch for kept in earlier]  # type: ignore[attr-defined]  # repeated
        if more:
            return
        platform = self.platform
        platform.highest = max([platform.highest, self.hello.epoch, *self._named])
        welcome = pb.Welcome(
            protocol=1,
            window_blocks=platform.window_blocks,
            window_bytes=platform.window_bytes,
            block_bytes_max=platform.block_bytes_max,
            highest_epoch=platform.highest,
            utc_ns=platform.utc_ns(),
            heartbeat_ms=platform.heartbeat_ms,
        )
        for epoch in [*self._named, self.hello.epoch]:
            revision = max((r for e, r in platform.catalogs if e == epoch), default=0)
            closed = epoch in platform.closed
            entry = welcome.held.add(epoch=epoch, closed=closed, catalog_revision=revision)
            for first, last in platform.held(epoch):
                entry.held.add(first=first, last=last)
        self.send(welcome=welcome)

    def _block(self, block: pb.Block) -> None:
        platform = self.platform
        platform.offered.append((block.epoch, block.seq, block.lane))
        lacks = (block.epoch, block.catalog_revision) not in platform.catalogs
        platform.without_catalog += lacks
        if lacks or platform.reject(block):
            reason = pb.REJECT_REASON_UNKNOWN_CATALOG if lacks else pb.REJECT_REASON_MALFORMED
            self.send(reject=pb.Reject(epoch=block.epoch, seq=block.seq, reason=reason))
            return
        platform.store(block)
        self._unacked.append((block.epoch, block.seq))
        if not platform.holding:
            self.ack()

    def ack(self) -> None:
        """Say what is durable."""
        ranges = [pb.AckRange(epoch=e, first=s, last=s) for e, s in self._unacked]
        self._unacked.clear()
        if ranges:
            self.send(ack=pb.Ack(ranges=ranges))
