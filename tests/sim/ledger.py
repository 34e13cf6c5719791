"""The delivery promise as checks on the books of a simulated world."""

from __future__ import annotations

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer.ranges import RangeSet
from tests.sim.world import World


def check(world: World) -> list[str]:
    """What is wrong; empty: the promise was kept."""
    return [
        *_nothing_missing(world), *_nothing_twice(world), *_durable_kept(world), *_gaps_true(world),
    ]  # fmt: skip


def _gone(world: World) -> tuple[dict[int, RangeSet], dict[int, RangeSet], dict[int, int]]:
    """Blocks named in gaps, those of them for other reasons than a crash, and where ends begin."""
    named: dict[int, RangeSet] = {}
    dropped: dict[int, RangeSet] = {}
    after: dict[int, int] = {}
    waiting = world.buffer.ledger.unsettled(type(world.buffer.ledger.pending)())
    for gap in [*world.platform.gaps, *(gap for _, _, gap in waiting)]:
        blocks = RangeSet((r.first, r.last) for r in gap.blocks)
        named.setdefault(gap.epoch, RangeSet()).update(blocks)
        if gap.reason != pb.GAP_REASON_CRASH:
            dropped.setdefault(gap.epoch, RangeSet()).update(blocks)
        if gap.count_unknown:
            after[gap.epoch] = min(after.get(gap.epoch, 1 << 60), gap.after_seq)
    return named, dropped, after


def _nothing_missing(world: World) -> list[str]:
    """I1: every sealed block is stored, under a gap, or still on the living box."""
    named, _, after = _gone(world)
    missing = []
    for epoch, seq in world.sealed:
        stored = (epoch, seq) in world.platform.blocks
        gone = seq in named.get(epoch, RangeSet()) or seq > after.get(epoch, 1 << 60)
        on_box = epoch == world.buffer.epoch and seq in world.buffer.index.epoch(epoch).live
        if not (stored or gone or on_box):
            missing.append(f"block {epoch >> 32}/{seq} is nowhere")
    ended = {epoch for epoch, _ in world.sealed} - {world.buffer.epoch}
    missing += [f"epoch {e >> 32} has no end" for e in sorted(ended - world.platform.closed)]
    return missing


def _nothing_twice(world: World) -> list[str]:
    """I2, I5: a name has one content, and it is the one that was sealed."""
    wrong = list(world.platform.wrong)
    if world.platform.without_catalog and world.rotten < 2:  # two bits may hit both copies
        wrong.append(f"{world.platform.without_catalog} blocks before their catalog")
    for key, stored in world.platform.blocks.items():
        head = pb.Block.FromString(world.sealed[key].data)
        if stored != head.payload_crc32c & 0xFF:
            wrong.append(f"block {key} is not what was sealed")
    return wrong


def _durable_kept(world: World) -> list[str]:
    """I4: what the box called durable is stored, or was dropped for a reason that is no crash."""
    if world.rotten:
        return []  # a damaged block has no name any more: it may stand in a crash gap
    named, dropped, after = _gone(world)
    return [
        f"block {epoch >> 32}/{seq} was durable and is not stored"
        for epoch, seq in sorted(world.durable)
        if (epoch, seq) not in world.platform.blocks
        and seq not in dropped.get(epoch, RangeSet())
        and not (
            # What a platform that was put back had acknowledged to an earlier process, and the box
            # had forgotten, is announced with what the crash took.
            world.platform.restores
            and (seq in named.get(epoch, RangeSet()) or seq > after.get(epoch, 1 << 60))
        )
        and not (epoch == world.buffer.epoch and seq in world.buffer.index.epoch(epoch).live)
    ]


def _gaps_true(world: World) -> list[str]:
    """I3: ticks that a gap names lie in its blocks."""
    lies = []
    for gap in world.platform.gaps:
        ticks = RangeSet()
        for r in gap.blocks:
            for seq in range(r.first, r.last + 1):
                sealed = world.sealed.get((gap.epoch, seq))
                if sealed is None:
                    lies.append(f"gap for block {gap.epoch >> 32}/{seq}, never sealed")
                    continue
                payload = pb.BlockPayload.FromString(pb.Block.FromString(sealed.data).payload)
                for run in payload.runs:
                    ticks.add(run.first_tick, run.first_tick + run.ticks - 1)
        for t in gap.ticks:
            if RangeSet([(t.first_tick, t.first_tick + t.count - 1)]).minus(ticks):
                lies.append(f"gap of {gap.epoch >> 32} names ticks outside its blocks")
    return lies
