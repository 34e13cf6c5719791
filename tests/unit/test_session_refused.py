"""Blocks that the platform refuses: kept, tried again, set aside only where it is their fault."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.uplink.refusals import BLOCK_INTERVAL_MS_MAX, REFUSED_IN_ROW_MAX
from tests.kit.virtual_time import passed
from tests.unit.test_session import SECOND, Box, case


@case
async def test_reject_when_of_one_block_leaves_the_rest_flowing_and_the_block_kept() -> None:
    box = await Box.open()
    box.put(2)
    box.hello()
    box.welcome(software="ingest 1")
    await box.send()
    task = asyncio.ensure_future(box.buffer.run())
    box.feed(reject=pb.Reject(epoch=box.buffer.epoch, seq=1, reason=pb.REJECT_REASON_UNSUPPORTED))
    box.ack(2, 2)
    await passed(SECOND)
    second = box.again()
    second.hello()
    second.welcome({box.buffer.epoch: [(2, 2)]}, software="ingest 1")
    assert await second.send() == [], "the same platform, the same answer"
    third = box.again()
    third.hello()
    third.welcome({box.buffer.epoch: [(2, 2)]}, software="ingest 2")
    assert [seq for _, seq, _ in await third.send()] == [1], "another one may take it"
    assert not box.buffer.gaps_pending
    task.cancel()


@case
async def test_reject_when_the_reason_is_not_known_is_read_as_unsupported() -> None:
    box = await Box.open()
    box.put(1)
    box.hello()
    box.welcome()
    await box.send()
    task = asyncio.ensure_future(box.buffer.run())
    box.feed(reject=pb.Reject(epoch=box.buffer.epoch, seq=1, reason=77))
    await passed(SECOND)
    assert box.live == [(1, 1)] and not box.buffer.gaps_pending
    task.cancel()


@case
async def test_reject_when_another_content_is_held_sets_aside_once_others_are_taken() -> None:
    box = await Box.open()
    box.put(3)
    box.hello()
    box.welcome()
    await box.send()
    task = asyncio.ensure_future(box.buffer.run())
    box.feed(reject=pb.Reject(epoch=box.buffer.epoch, seq=2, reason=pb.REJECT_REASON_CONFLICT))
    await passed(SECOND)
    assert box.live == [(1, 3)], "a platform that refuses everything destroys nothing"
    box.ack(3, 3)
    await passed(SECOND)
    assert box.live == [(1, 1)]
    (gap,) = box.buffer.take_gaps()
    assert gap.reason == pb.GAP_REASON_REJECTED
    task.cancel()


@case
async def test_reject_when_of_every_block_costs_a_block_a_minute_and_none_is_lost() -> None:
    box = await Box.open()
    count = REFUSED_IN_ROW_MAX + 20
    box.put(count)
    box.hello()
    box.welcome(window_blocks=1)
    now_ns, sent = 0, []
    while now_ns < 3600 * SECOND:
        for epoch, seq, _ in await box.send(now_ns):
            sent.append((now_ns, seq))
            box.feed(now_ns, reject=pb.Reject(epoch=epoch, seq=seq))
        now_ns += SECOND // 2
    assert box.session.refusals.refuses_all
    assert len(sent) == len({seq for _, seq in sent}) == count
    late = [ns for ns, _ in sent[-8:]]
    assert all(b - a >= BLOCK_INTERVAL_MS_MAX * 1_000_000 for a, b in pairwise(late))
    assert box.live == [(1, count)]


@case
async def test_bundle_when_refused_goes_block_by_block_to_find_the_one() -> None:
    box = await Box.open()
    box.put(4)
    box.hello()
    box.welcome(features=[pb.FEATURE_BUNDLES])
    (request,) = await box.messages()
    assert request.bundle.block_checks and request.bundle.first_seq == 1
    epoch = box.buffer.epoch
    box.feed(reject=pb.Reject(epoch=epoch, seq=1, last_seq=4, reason=pb.REJECT_REASON_UNSUPPORTED))
    again = await box.messages()
    assert [request.block.seq for request in again] == [1, 2, 3, 4]
    box.ack(1, 2)
    box.feed(reject=pb.Reject(epoch=epoch, seq=3, reason=pb.REJECT_REASON_UNSUPPORTED))
    box.ack(4, 4)
    assert box.live == [(3, 3)] and await box.send() == []


@case
async def test_conflicts_when_the_platform_says_an_old_ack_again_set_no_block_aside() -> None:
    """It takes nothing new, so the fault is its own."""
    box = await Box.open()
    epoch = box.buffer.epoch
    box.put(6)
    box.hello()
    box.welcome()
    await box.send()
    task = asyncio.ensure_future(box.buffer.run())
    box.ack(1, 1)
    for seq in range(2, 7):
        box.feed(reject=pb.Reject(epoch=epoch, seq=seq, reason=pb.REJECT_REASON_CONFLICT))
    box.ack(1, 1)
    await passed(SECOND)
    assert box.live == [(2, 6)]
    task.cancel()
