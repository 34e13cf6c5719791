"""What the session believes of a Welcome, and what it does about the rest; without I/O."""

from __future__ import annotations

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, SealedBlock
from gateway.uplink.session import (
    BLOCK_BYTES_MAX_LEAST,
    HELD_HOLES_MAX,
    SEQ_END,
    SessionError,
)
from tests.kit.fake_disk import FakeDisk
from tests.unit.test_session import Box, case


@case
async def test_welcome_when_it_claims_unsent_blocks_is_refused_and_trims_nothing() -> None:
    box = await Box.open()
    box.put(5)
    box.hello()
    with pytest.raises(SessionError) as caught:
        box.welcome({box.buffer.epoch: [(1, 3)]})
    assert caught.value.message == "uplink.claims_unsent"
    assert box.live == [(1, 5)]


@case
async def test_welcome_when_it_holds_sent_blocks_trims_exactly_those() -> None:
    box = await Box.open()
    box.put(6)
    box.hello()
    box.welcome()
    await box.send()
    second = box.again()
    second.hello()
    second.welcome({box.buffer.epoch: [(1, 2), (5, 5)]})
    assert second.live == [(3, 4), (6, 6)]
    assert [seq for _, seq, _ in await second.send()] == [3, 4, 6]


@case
async def test_welcome_when_paged_starts_nothing_before_its_last_page() -> None:
    box = await Box.open()
    box.put(1)
    box.hello()
    box.welcome(more=True)
    assert not box.session.welcomed and await box.send() == []
    box.feed(welcome=pb.Welcome())
    assert len(await box.send()) == 1


@case
async def test_welcome_when_its_pages_never_end_or_its_ranges_ends_the_stream() -> None:
    box = await Box.open()
    box.hello()
    box.welcome(more=True)
    with pytest.raises(SessionError) as caught:
        box.feed(welcome=pb.Welcome(more=True))
    assert caught.value.message == "uplink.broken"
    box = box.again()
    box.hello()
    ranges = [pb.SeqRange(first=2 * i, last=2 * i) for i in range(1, HELD_HOLES_MAX + 3)]
    with pytest.raises(SessionError):
        box.feed(welcome=pb.Welcome(protocol=1, held=[pb.EpochHeld(epoch=9, held=ranges)]))


@case
async def test_welcome_when_it_names_an_epoch_on_two_pages_joins_them_and_keeps_no_other() -> None:
    disk = FakeDisk()
    first = await Box.open(disk)
    first.put(6)
    await first.buffer.flush()
    box = await Box.open(disk.crash())
    old = first.buffer.epoch
    box.hello()
    box.welcome({old: [(4, 5)], old + 1: [(1, 9)]}, more=True)
    box.feed(welcome=pb.Welcome(held=[
        pb.EpochHeld(epoch=old, held=[pb.SeqRange(first=1, last=2)], closed=True),
    ]))  # fmt: skip
    assert [seq for _, seq, _ in await box.send()] == [3, 6]
    assert old + 1 not in box.buffer.index.epochs


@case
async def test_welcome_when_an_absurd_claim_is_taken_back_costs_no_walk_over_it() -> None:
    disk = FakeDisk()
    first = await Box.open(disk)
    first.put(3)
    await first.buffer.flush()
    box = await Box.open(disk.crash())
    old, top = first.buffer.epoch, SEQ_END - 1
    box.hello()
    box.welcome({old: [(1, top)]})
    second = box.again()
    second.hello()
    second.welcome({old: []})  # number by number, this would take some weeks
    assert [(epoch, seq) for epoch, seq, _ in await second.send()] == [(old, 1), (old, 2), (old, 3)]
    lost = [g for g in box.buffer.take_gaps() if g.reason == pb.GAP_REASON_PLATFORM_LOST]
    assert [[(r.first, r.last) for r in gap.blocks] for gap in lost] == [[(4, top)]]
    third = box.again()
    third.hello()
    with pytest.raises(SessionError) as caught:
        third.welcome({old: [(1, SEQ_END)]})
    assert caught.value.message == "uplink.claims_unsent"


@case
async def test_catalog_when_the_platform_names_it_is_not_needed_and_older_revisions_are() -> None:
    box = await Box.open()
    box.put(1)
    epoch = box.buffer.epoch
    box.hello()
    held = pb.EpochHeld(epoch=epoch, catalog_revision=2)
    box.feed(welcome=pb.Welcome(protocol=1, held=[held]))

    def sealed(revision: int) -> SealedBlock:
        return SealedBlock(epoch, 1, revision, b"", 0, 1, 1)

    needs = [box.session.catalog_needed(sealed(revision)) for revision in (1, 2, 3)]
    assert needs == [(epoch, 1), None, (epoch, 3)]
    may = [box.session.may_hold_catalog((epoch, revision)) for revision in (1, 2, 3)]
    assert may == [True, True, False]


@case
async def test_catalog_when_the_platform_lacks_what_it_named_is_sent_again_and_no_block_lost() -> (
    None
):
    box = await Box.open()
    box.put(2)
    epoch = box.buffer.epoch
    held = pb.EpochHeld(epoch=epoch, catalog_revision=1)
    reject = pb.Reject(epoch=epoch, seq=1, reason=pb.REJECT_REASON_UNKNOWN_CATALOG)
    box.hello()
    box.feed(welcome=pb.Welcome(protocol=1, window_blocks=9, window_bytes=999, held=[held]))
    await box.send()
    with pytest.raises(SessionError):
        box.feed(reject=reject)
    assert box.live == [(1, 2)] and box.history.rejects == 0
    second = box.again()
    second.hello()
    second.feed(welcome=pb.Welcome(protocol=1, window_blocks=9, window_bytes=999, held=[held]))
    assert await second.send() == [(epoch, 1, pb.LANE_BACKFILL), (epoch, 2, pb.LANE_BACKFILL)]
    block_1 = await box.buffer.read(BlockKey(epoch, 1))
    assert block_1 is not None and second.session.catalog_needed(block_1) == (epoch, 1)
    second.feed(reject=reject)  # with its catalog: it is the block's fault
    assert second.history.rejects == 1


@case
async def test_welcome_when_it_lost_acked_blocks_gets_what_is_kept_and_a_gap_for_the_rest() -> None:
    box = await Box.open()
    box.put(2)
    await box.buffer.flush()  # these stay readable on disk after their ack
    box.put(2)
    box.hello()
    box.welcome()
    await box.send()
    box.ack(1, 4)
    second = box.again()
    second.hello()
    second.welcome({box.buffer.epoch: []})
    assert [seq for _, seq, _ in await second.send()] == [1, 2]
    (gap,) = box.buffer.take_gaps()
    assert gap.reason == pb.GAP_REASON_PLATFORM_LOST
    assert [(r.first, r.last) for r in gap.blocks] == [(3, 4)]


@case
async def test_crash_gap_when_backlog_is_sent_begins_where_the_platform_s_knowledge_ends() -> None:
    disk = FakeDisk()
    first = await Box.open(disk)
    first.put(3)
    await first.buffer.flush()
    box = await Box.open(disk.crash())
    old = first.buffer.epoch
    (hello,) = box.hello()
    assert [(e.epoch, [(r.first, r.last) for r in e.kept]) for e in hello.hello.earlier] == [
        (old, [(1, 3)])
    ]
    box.welcome({old: [(1, 2)]})
    assert not box.buffer.gaps_pending  # block 3 is still to be sent
    assert [(epoch, seq) for epoch, seq, _ in await box.send()] == [(old, 3)]
    box.ack(3, 3, old)
    (gap,) = box.buffer.take_gaps()
    assert (gap.reason, gap.epoch, gap.after_seq) == (pb.GAP_REASON_CRASH, old, 3)
    assert (gap.count_unknown, gap.until_boot_id, list(gap.blocks)) == (True, "boot-1", [])


@case
async def test_crash_gap_when_its_carrier_is_acked_closes_the_epoch_and_not_before() -> None:
    disk = FakeDisk()
    await Box.open(disk)
    box = await Box.open(disk)
    box.hello()
    box.welcome()
    box.put(1)
    assert len(box.again().hello()[0].hello.earlier) == 1
    await box.send()
    box.ack(1, 1)
    assert len(box.again().hello()[0].hello.earlier) == 0


@case
async def test_epoch_when_the_platform_knows_its_end_gets_no_crash_gap() -> None:
    disk = FakeDisk()
    first = await Box.open(disk)
    box = await Box.open(disk)
    box.hello()
    box.welcome({first.buffer.epoch: [(1, 9)]}, closed={first.buffer.epoch})
    assert not box.buffer.gaps_pending
    assert list(box.buffer.earlier()) == []


@case
async def test_welcome_when_its_block_limit_is_below_1_mib_ends_the_stream_untouched() -> None:
    for limit in (1, BLOCK_BYTES_MAX_LEAST - 1):
        box = await Box.open()
        box.put(3)
        box.hello()
        with pytest.raises(SessionError) as caught:
            box.welcome(block_bytes_max=limit)
        assert caught.value.message == "uplink.block_limit"
        assert await box.send() == [] and box.live == [(1, 3)] and box.history.rejects == 0
