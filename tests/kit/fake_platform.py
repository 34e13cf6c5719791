"""A platform in memory that keeps the rules of the contract, and books to check the box by."""

from __future__ import annotations

from collections.abc import Callable

from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer.ranges import RangeSet
from gateway.catalog import content_id
from tests.kit.blocks import unbundle

Reply = Callable[[bytes], None]


class FakePlatform:
    """What it stored, by (epoch, seq). `holding` keeps acks back; `reject` picks blocks."""

    def __init__(self, *, window_blocks: int = 8, window_bytes: int = 1 << 20) -> None:
        self.window_blocks, self.window_bytes = window_blocks, window_bytes
        self.block_bytes_max = limits.BLOCK_BYTES_MAX
        self.message_bytes_max = limits.MESSAGE_BYTES_MAX
        self.features = [int(pb.FEATURE_BUNDLES)]
        self.software = "fake 1"
        self.blocks: dict[tuple[int, int], pb.Block] = {}
        self.gaps: list[pb.Gap] = []
        self.closed: set[int] = set()
        self.offered: list[tuple[int, int, int]] = []  # epoch, seq, lane, in order of arrival
        self.bundles = self.pieces = 0
        self.conflicts = 0
        self.contents: dict[bytes, bytes] = {}  # tag sets and catalogs, durable, as the blocks
        self.catalogs: dict[tuple[int, int], bytes] = {}  # the name of each epoch's revisions
        self.catalogs_came = self.tag_sets_came = self.heartbeats_came = 0
        self.without_catalog = 0
        self.highest = 0
        self.holding = False
        self.reject: Callable[[pb.Block], bool] = lambda block: False
        self.reason: pb.RejectReason.ValueType = pb.REJECT_REASON_MALFORMED
        self.utc_ns: Callable[[], int] = lambda: 0
        self.heartbeat_ms = 1000
        self.partial: dict[bytes, bytearray] = {}  # messages in pieces, across streams
        self.peers: list[PlatformPeer] = []

    def accept(self, reply: Reply) -> PlatformPeer:
        peer = PlatformPeer(self, reply)
        self.peers.append(peer)
        return peer

    def held(self, epoch: int) -> RangeSet:
        return RangeSet((s, s) for e, s in sorted(self.blocks) if e == epoch)

    def holds(self, name: bytes) -> bool:
        """A catalog's content, and the tag sets that it names."""
        content = self.contents.get(name)
        return content is not None and all(
            group.tag_set in self.contents for group in pb.CatalogContent.FromString(content).groups
        )

    def forget_catalogs(self) -> None:
        self.contents.clear()
        self.catalogs.clear()

    def revision(self, epoch: int, names: list[bytes]) -> int:
        """How many revisions are held, of those that Hello names."""
        held = 0
        for name in names:
            if not self.holds(name):
                break
            held += 1
            self.catalogs[epoch, held] = name
        while self.holds(self.catalogs.get((epoch, held + 1), b"")):
            held += 1
        return held

    def store(self, block: pb.Block) -> None:
        """Durable, once; a second content under one name is counted."""
        key = (block.epoch, block.seq)
        content = pb.Block.FromString(block.SerializeToString())
        content.ClearField("lane")
        known = self.blocks.get(key)
        if known is not None:
            self.conflicts += (known.payload_size, known.payload_crc32c) != (
                content.payload_size,
                content.payload_crc32c,
            )
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
        self.bytes = 0
        self._unacked: list[tuple[int, int]] = []

    def send(self, **message: object) -> None:
        response = pb.StreamResponse(**message)  # type: ignore[arg-type]  # one field, by name
        self._reply(response.SerializeToString())

    def receive(self, message: bytes) -> None:
        self.bytes += len(message)
        request = pb.StreamRequest.FromString(message)
        kind = request.WhichOneof("message")
        if kind == "hello":
            self.hello = request.hello
            self._welcome(request.hello)
        elif kind == "tag_set":
            content = request.tag_set.content
            self.platform.contents[content_id(content)] = content
            self.platform.tag_sets_came += 1
        elif kind == "catalog":
            self._catalog(request.catalog)
        elif kind == "heartbeat":
            self.platform.heartbeats_came += 1
            beat = pb.Heartbeat(id=request.heartbeat.id, utc_ns=self.platform.utc_ns())
            self.send(heartbeat=beat)
        elif kind == "block":
            self._block(request.block)
        elif kind == "bundle":
            self.platform.bundles += 1
            for block in unbundle(request.bundle):
                self._block(block)
        elif kind == "piece":
            self._piece(request.piece)

    def _welcome(self, hello: pb.Hello) -> None:
        platform = self.platform
        welcome = pb.Welcome(
            protocol_min=1,
            protocol_max=1,
            features=platform.features,
            software=platform.software,
            window_blocks=platform.window_blocks,
            window_bytes=platform.window_bytes,
            block_bytes_max=platform.block_bytes_max,
            message_bytes_max=platform.message_bytes_max,
            highest_epoch=platform.highest,
            utc_ns=platform.utc_ns(),
            heartbeat_ms=platform.heartbeat_ms,
        )
        lacks = False
        named = [(kept.epoch, list(kept.catalogs)) for kept in hello.earlier]
        for epoch, names in [*named, (hello.epoch, list(hello.catalogs))]:
            closed = epoch in platform.closed
            revision = platform.revision(epoch, names)
            lacks |= revision < len(names)
            entry = welcome.held.add(epoch=epoch, closed=closed, catalog_revision=revision)
            for first, last in platform.held(epoch):
                entry.held.add(first=first, last=last)
        if lacks:
            welcome.tag_sets.extend(platform.contents)
        known = {epoch for epoch, _ in platform.blocks}
        for epoch in sorted(known - platform.closed - {e for e, _ in named} - {hello.epoch}):
            entry = welcome.ends_lacking.add(epoch=epoch)
            for first, last in platform.held(epoch):
                entry.held.add(first=first, last=last)
        for name, data in platform.partial.items():
            welcome.piece.message_id, welcome.piece.have_bytes = name, len(data)
        platform.highest = max(platform.highest, hello.epoch, *(e for e, _ in named), 0)
        self.send(welcome=welcome)

    def _catalog(self, catalog: pb.Catalog) -> None:
        platform = self.platform
        platform.catalogs_came += 1
        if catalog.content:
            assert content_id(catalog.content) == catalog.id
            platform.contents[catalog.id] = catalog.content
        assert platform.holds(catalog.id), "a catalog before what it needs"
        platform.catalogs[catalog.epoch, catalog.revision] = catalog.id

    def _piece(self, piece: pb.Piece) -> None:
        platform = self.platform
        platform.pieces += 1
        data = platform.partial.get(piece.message_id)
        if data is None:
            platform.partial.clear()
            data = platform.partial[piece.message_id] = bytearray()
        assert piece.offset <= len(data), "a hole in a message"
        data[piece.offset :] = piece.data
        if len(data) == piece.message_size:
            del platform.partial[piece.message_id]
            self.receive(bytes(data))

    def _block(self, block: pb.Block) -> None:
        platform = self.platform
        platform.offered.append((block.epoch, block.seq, block.lane))
        lacks = not all(
            platform.holds(platform.catalogs.get((block.epoch, revision), b""))
            for revision in range(1, block.catalog_revision + 1)
        )
        platform.without_catalog += lacks
        if lacks or platform.reject(block):
            reason = pb.REJECT_REASON_UNKNOWN_CATALOG if lacks else platform.reason
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
