"""What the session believes of a Welcome, and what it does about the rest; without I/O."""

from __future__ import annotations

import pytest
from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer.announcements import UNKNOWN_RUNS_MAX
from gateway.buffer.state import encode
from gateway.uplink.greeting import ENDS_LACKING_MAX, HELD_RANGES_MAX
from gateway.uplink.history import SessionError
from tests.kit.blocks import block
from tests.kit.fake_disk import FakeDisk
from tests.unit.test_session import Box, case


@case
async def test_welcome_when_it_claims_unsent_blocks_is_refused_and_trims_nothing() -> None:
    box = await Box.open()
    box.put(5)
    box.hello()
    with pytest.raises(SessionError) as caught:
        box.welcome({box.buffer.epoch: [(1, 3), (6, 6)]})
    assert caught.value.message == "uplink.claims_unsent"
    assert box.live == [(1, 5)]


@case
async def test_welcome_when_it_holds_what_came_by_hand_then_it_is_sent_and_trimmed_by_its_ack() -> (
    None
):
    box = await Box.open()
    box.put(5)
    epoch = box.buffer.epoch
    box.hello()
    box.welcome({epoch: [(1, 3)]})
    assert box.live == [(1, 5)]
    assert [seq for _, seq, _ in await box.send()] == [1, 2, 3, 4, 5]
    box.ack(1, 5)
    assert box.live == []


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
    page = pb.Welcome(more=True)
    with pytest.raises(SessionError) as caught:
        for _ in range(HELD_RANGES_MAX):
            box.feed(welcome=page)
    assert caught.value.message == "uplink.broken"
    box = box.again()
    box.hello()
    ranges = [pb.SeqRange(first=2 * i, last=2 * i) for i in range(1, 10_001)]
    page = pb.Welcome(protocol_min=1, protocol_max=1, more=True)
    page.held.add(epoch=9, held=ranges)
    with pytest.raises(SessionError):
        for _ in range(HELD_RANGES_MAX // 10_000 + 1):
            box.feed(welcome=page)


@case
async def test_welcome_when_one_epoch_has_40_000_holes_on_many_pages_is_believed() -> None:
    disk = FakeDisk()
    first = await Box.open(disk)
    first.put(3)
    await first.buffer.flush()
    box = await Box.open(disk.crash())
    box.hello()
    box.welcome(more=True)
    ranges = [pb.SeqRange(first=2 * i, last=2 * i) for i in range(1, 40_001)]
    for start in range(0, 40_000, 5000):
        page = pb.Welcome(more=start < 35_000)
        page.held.add(epoch=first.buffer.epoch, held=ranges[start : start + 5000])
        assert page.ByteSize() <= limits.RESPONSE_BYTES_MAX
        box.feed(welcome=page)
    assert [seq for _, seq, _ in await box.send()] == [1, 3]


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
    old, top = first.buffer.epoch, limits.SEQ_END - 1
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
        third.welcome({old: [(1, limits.SEQ_END)]})
    assert caught.value.message == "uplink.claims_unsent"


@case
async def test_catalog_when_the_platform_names_it_is_not_needed_nor_its_content_elsewhere() -> None:
    box = await Box.open()
    epoch = box.buffer.epoch
    box.hello()
    box.welcome({epoch: []}, revisions={epoch: 1}, tag_sets=[b"x" * 16])
    assert box.session.known.revisions == {(epoch, 1)}
    assert box.session.known.contents == {b"x" * 16, box.buffer.catalogs(epoch)[0]}


@case
async def test_catalog_when_the_platform_lacks_what_it_named_is_sent_again_and_no_block_lost() -> (
    None
):
    box = await Box.open()
    box.put(2)
    epoch = box.buffer.epoch
    reject = pb.Reject(epoch=epoch, seq=1, reason=pb.REJECT_REASON_UNKNOWN_CATALOG)
    box.hello()
    box.welcome({epoch: []}, revisions={epoch: 1})
    await box.send()
    with pytest.raises(SessionError):
        box.feed(reject=reject)
    assert box.live == [(1, 2)] and box.history.rejects == 0
    second = box.again()
    second.hello()
    second.welcome({epoch: []}, revisions={epoch: 1})
    assert (epoch, 1) not in second.session.known.revisions
    assert second.session.known.may_hold(epoch, 1)
    await second.send()
    second.feed(reject=reject)  # with its catalog: it is the block's fault
    assert second.history.rejects == 1


@case
async def test_welcome_when_the_platform_was_put_back_announces_the_runs_that_it_lost() -> None:
    disk = FakeDisk()
    runs = []
    for _ in range(3):  # each stops cleanly, and is acknowledged to the end
        box = await Box.open(disk)
        box.put(2)
        box.buffer.put(block(box.buffer.epoch, 3, end_of_epoch=True))
        box.hello()
        box.welcome(closed=set(runs), held={epoch: [(1, 3)] for epoch in runs})
        await box.send()
        box.ack(1, 3)
        await box.buffer.flush()
        await box.buffer.close()
        runs.append(box.buffer.epoch)
    box = await Box.open(disk)
    box.hello()
    box.welcome({runs[2]: []}, highest_epoch=runs[0])
    gaps = {gap.epoch: gap for gap in box.buffer.take_gaps()}
    assert sorted(gaps) == runs[1:]
    for gap in gaps.values():
        assert gap.reason == pb.GAP_REASON_PLATFORM_LOST and gap.end_of_epoch
        assert [(r.first, r.last) for r in gap.blocks] == [(1, 3)]


@case
async def test_welcome_when_it_lacks_an_end_gets_what_the_box_remembers_or_that_it_forgot() -> None:
    disk = FakeDisk()
    first = await Box.open(disk)
    old = first.buffer.epoch
    box = await Box.open(disk.crash())
    box.hello()
    box.welcome({old: [(1, 4)]}, closed={old})
    unknown = 7
    for epoch in (unknown, old, box.buffer.epoch + (1 << 32)):
        entry = pb.EpochHeld(epoch=epoch, held=[pb.SeqRange(first=1, last=4)])
        second = box.again()
        second.hello()
        second.welcome(ends_lacking=[entry])
    gaps = {gap.epoch: gap for gap in box.buffer.take_gaps()}
    assert sorted(gaps) == [unknown, old]
    assert gaps[unknown].reason == pb.GAP_REASON_BOX_FORGOT
    assert gaps[old].reason == pb.GAP_REASON_PLATFORM_LOST
    for gap in gaps.values():
        assert gap.count_unknown and gap.after_seq == 4 and gap.until_boot_id == "boot-1"


@case
async def test_welcome_when_it_makes_up_runs_without_end_costs_little_and_starves_nobody() -> None:
    disk = FakeDisk()
    for _ in range(2):  # a run without blocks, and one with some
        first = await Box.open(disk)
        first.put(3 * (first.buffer.epoch >> 32 == 2))
        await first.buffer.flush()
    real = first.buffer.epoch
    box, sizes = await Box.open(disk.crash()), []
    for stream in range(4):
        box = box.again()
        box.hello()
        numbers = range(1 + stream * ENDS_LACKING_MAX, 1 + (stream + 1) * ENDS_LACKING_MAX)
        box.welcome(ends_lacking=[pb.EpochHeld(epoch=number) for number in numbers])
        state = box.buffer.to_tell.state
        sizes.append((len(state.epochs), len(encode(state)), len(box.buffer.index.epochs)))
    assert len({*sizes}) == 1 and sizes[0][0] <= 3 + UNKNOWN_RUNS_MAX
    (hello,) = box.again().hello()
    named = [kept.epoch >> 32 for kept in hello.hello.earlier]
    assert named == [2, 1] + [0] * UNKNOWN_RUNS_MAX
    assert [(epoch, seq) for epoch, seq, _ in await box.send()] == [(real, n) for n in (1, 2, 3)]
    box.put()
    await box.send()
    box.ack(1, 1)  # so they are told: there is room for others
    box = box.again()
    box.hello()
    box.welcome({box.buffer.epoch: [(1, 1)]}, ends_lacking=[pb.EpochHeld(epoch=1 << 31)])
    assert [gap.epoch for gap in box.buffer.take_gaps()] == [1 << 31]


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
    for limit in (1, limits.BLOCK_BYTES_MAX - 1):
        box = await Box.open()
        box.put(3)
        box.hello()
        with pytest.raises(SessionError) as caught:
            box.welcome(block_bytes_max=limit)
        assert caught.value.message == "uplink.block_limit"
        assert await box.send() == [] and box.live == [(1, 3)] and box.history.rejects == 0


@case
async def test_end_of_a_run_when_the_platform_was_put_back_since_is_told_with_what_it_lost() -> (
    None
):
    """The block that carries the crash gap is sealed, and says what the platform held before."""
    disk = FakeDisk()
    first = await Box.open(disk)
    old = first.buffer.epoch
    disk = disk.crash()
    box = await Box.open(disk)
    box.hello()
    box.welcome({old: [(1, 9)]})
    box.put(1)  # with the crash gap after block 9
    await box.buffer.flush()
    third = await Box.open(disk.crash())
    third.hello()
    third.welcome({old: [(1, 4)], box.buffer.epoch: []})
    (gap,) = (gap for gap in third.buffer.take_gaps() if gap.epoch == old)
    assert gap.reason == pb.GAP_REASON_PLATFORM_LOST
    assert [(r.first, r.last) for r in gap.blocks] == [(5, 9)]
