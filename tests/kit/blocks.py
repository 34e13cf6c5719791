"""Small real blocks for tests of what carries them: one group, one tag, tick = value."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import Buffer, SealedBlock
from gateway.buffer.sets import file_bytes
from gateway.catalog import content_id
from native.crc import crc32c

PERIOD_NS = 100_000_000
TAG_SET = pb.TagSetContent(
    tags=[pb.Tag(name="tick", type=pb.VALUE_TYPE_INT, bits=64)]
).SerializeToString()


def catalog_content(site: str = "") -> bytes:
    """The catalog that the blocks need; `site` tells two of them apart."""
    made = pb.CatalogContent(site=site)
    made.groups.add(id=1, device="meter", period_ns=PERIOD_NS, tag_set=content_id(TAG_SET))
    return made.SerializeToString()


#: What `put_catalog` takes of the buffer's room once a block is on disk.
SETS_BYTES = file_bytes(len(TAG_SET)) + file_bytes(len(catalog_content()))


def put_catalog(buffer: Buffer, site: str = "") -> None:
    """Revision 1 of the buffer's run."""
    buffer.put_catalog(1, catalog_content(site), {content_id(TAG_SET): TAG_SET})


def payload(
    first_tick: int, ticks: int, gaps: Iterable[pb.Gap] = (), *, end_of_epoch: bool = False
) -> pb.BlockPayload:
    """Ticks `first_tick` on, each a row whose value is its number; tick k is due at k x 100 ms."""
    made = pb.BlockPayload(gaps=gaps, end_of_epoch=end_of_epoch)
    if ticks:
        run = made.runs.add(
            group=1,
            first_tick=first_tick,
            ticks=ticks,
            first_due_ns=first_tick * PERIOD_NS,
        )
        run.columns.add(values=range(first_tick, first_tick + ticks))
    return made


def block(
    epoch: int,
    seq: int,
    *,
    first_tick: int = 0,
    ticks: int = 3,
    oldest_ns: int = 0,
    gaps: Iterable[pb.Gap] = (),
    end_of_epoch: bool = False,
    pad: int = 0,
) -> SealedBlock:
    """A sealed block, uncompressed; `pad` more bytes of an anchor's boot id."""
    inner = payload(first_tick, ticks, gaps, end_of_epoch=end_of_epoch)
    if pad:
        inner.anchors.add(boot_id="x" * pad)
    body = inner.SerializeToString()
    outer = pb.Block(
        epoch=epoch, seq=seq, catalog_revision=1, compression=pb.COMPRESSION_NONE,
        payload_size=len(body), payload_crc32c=crc32c(body), payload=body,
        scans=ticks, samples=ticks,
    )  # fmt: skip
    data = outer.SerializeToString()
    return SealedBlock(epoch, seq, 1, data, oldest_ns, ticks, ticks, end_of_epoch)


def no_zstd(data: bytes, size: int) -> bytes:
    raise ValueError("no test block is compressed with zstd")


def join(blocks: Sequence[bytes], features: Collection[int] = ()) -> bytes:
    """A bundle of such blocks, as `native.block.bundle.bundle` makes one: runs joined, the rest as
    extras. Raises ValueError where they, or their ticks, are not successive.
    """
    heads = [pb.Block.FromString(data) for data in blocks]
    first = heads[0]
    made = pb.Bundle(
        epoch=first.epoch, first_seq=first.seq, catalog_revision=first.catalog_revision,
        compression=pb.COMPRESSION_NONE, scans=sum(h.scans for h in heads),
        samples=sum(h.samples for h in heads),
    )  # fmt: skip
    whole = pb.BundlePayload()
    for number, head in enumerate(heads):
        if (head.epoch, head.seq) != (first.epoch, first.seq + number):
            raise ValueError("not successive")
        made.block_checks += bytes([head.payload_crc32c & 0xFF])
        inner = pb.BlockPayload.FromString(head.payload)
        for run in inner.runs:
            if not whole.runs:
                whole.runs.add().CopyFrom(run)
                whole.runs[0].block_ticks.extend([0] * number)
            else:
                known = whole.runs[0]
                if run.first_tick != known.first_tick + known.ticks:
                    raise ValueError("ticks that do not follow")
                known.ticks += run.ticks
                known.columns[0].values.extend(run.columns[0].values)
            missing = number - len(whole.runs[0].block_ticks)
            whole.runs[0].block_ticks.extend([0] * missing + [run.ticks])
        del inner.runs[:]
        if inner.ByteSize():
            whole.extras.add(block=number, payload=inner)
    made.payload = whole.SerializeToString()
    made.payload_size, made.payload_crc32c = len(made.payload), crc32c(made.payload)
    return made.SerializeToString()


def unbundle(bundle: pb.Bundle) -> list[pb.Block]:
    """The blocks of a bundle that `join` made, each as it would have come alone."""
    whole = pb.BundlePayload.FromString(bundle.payload)
    extras = {extra.block: extra.payload for extra in whole.extras}
    blocks = []
    at = 0
    for number, check in enumerate(bundle.block_checks):
        inner = pb.BlockPayload()
        inner.CopyFrom(extras.get(number, inner))
        ticks = 0
        if whole.runs and number < len(whole.runs[0].block_ticks):
            ticks = whole.runs[0].block_ticks[number]
        if ticks:
            first_tick = whole.runs[0].first_tick + at
            inner.runs.extend(payload(first_tick, ticks).runs)
            at += ticks
        body = inner.SerializeToString()
        crc = crc32c(body)
        assert crc & 0xFF == check, f"block {number} is not what was joined"
        blocks.append(
            pb.Block(
                epoch=bundle.epoch, seq=bundle.first_seq + number,
                catalog_revision=bundle.catalog_revision, compression=pb.COMPRESSION_NONE,
                payload_size=len(body), payload_crc32c=crc, payload=body,
                scans=ticks, samples=ticks, lane=bundle.lane,
            )
        )  # fmt: skip
    return blocks
