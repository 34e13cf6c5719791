"""What the box would send, tried out: when it sends, and what each message weighs.

The schedule is that of `gateway.sealing` and `gateway.uplink.lanes`: all groups begin together, a
block is sealed on each beat that has something, and what is sealed waits until its oldest scan is
`send_every` old. The messages are made by the code that makes them on the box, out of what
`Answers` say. Where that is too much work, fewer devices are tried, and for less long.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import shake_128
from itertools import accumulate, islice, zip_longest
from typing import NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.api import GroupPlan
from drivers.host.events import batch
from gateway.cli.pushed import DAY_NS, News
from gateway.uplink.lanes import TOGETHER_BLOCKS, TOGETHER_BYTES
from native.block.bundle import bundle
from native.block.seal import Sealer
from native.rows.group import Group

FEATURES = frozenset(number for number in pb.Feature.values() if number)
#: Blocks of the schedule, samples of all groups, and scans of one group to a send, that are tried
#: out at most.
BLOCKS_MAX, SAMPLES_MAX, SCANS_MAX = 20_000, 60_000, 2_000
#: Messages that are made at most, and at least where the work allows it.
SENDS_MAX, SENDS_MIN = 16, 2
#: The beats begin so long before the first scan: the links are connected meanwhile.
START_NS = 60_000_000
#: Scans that are tried of a group that is scanned less often than messages are sent.
ALONE_SCANS = 8
#: A block's head, which a message has once.
EMPTY_BYTES = 40


@dataclass(frozen=True, slots=True)
class Read:
    """A group as it will be read. `earlier`: (period, time on the wire) of the groups before it on
    its link, those of one period together: where both are due at once it waits for them.
    """

    driver: str
    plan: GroupPlan
    period_ns: int
    earlier: tuple[tuple[int, int], ...] = ()
    news: News | None = None  # what its source pushes

    @property
    def periods(self) -> tuple[int, ...]:
        """Time between two scans, and between two batches of pushed values if there are any; ns."""
        return (self.period_ns, self.news.every_ns) if self.news else (self.period_ns,)

    @property
    def samples_a_day(self) -> float:
        rows = len(self.plan.tags) * DAY_NS / self.period_ns
        return rows + self.news.events_a_day if self.news else rows

    def middle_ns(self, due_ns: int) -> int:
        """When the scan that is due then is half done."""
        wait = sum(scan for period, scan in self.earlier if due_ns % period == 0)
        return due_ns + wait + self.plan.scan_ns // 2


#: (a group, a seed, how many) -> the answers' data of successive scans.
Answers = Callable[[Read, str, int], Sequence[bytes]]


class Send(NamedTuple):
    """`at_ns`: after the first scan. `ends_ns`: of its blocks, which are sealed then."""

    at_ns: int
    ends_ns: list[int]


def schedule(periods: Iterable[int], send_ns: int, block_ns: int) -> Iterator[Send]:
    """The sends of groups with these periods, for ever; none without a group."""
    apart = sorted(set(periods))
    if not apart:
        return
    early_ns = min(START_NS, block_ns // 2)
    sealed_ns = due_ns = 0
    ends: list[int] = []
    while True:
        scan_ns = min(-(-sealed_ns // period) * period for period in apart)
        sealed_ns = ((scan_ns + early_ns) // block_ns + 1) * block_ns - early_ns
        if ends and sealed_ns > due_ns:
            yield Send(due_ns, ends)
            ends = []
        if not ends:
            due_ns = max(sealed_ns, scan_ns + send_ns)
        ends.append(sealed_ns)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Numbers of messages and blocks a day, and of heartbeats in the pauses between messages."""

    sends: float = 0.0
    blocks: float = 0.0
    heartbeats: float = 0.0


def rhythm(periods: Sequence[int], send_ns: int, block_ns: int, heartbeat_ns: int) -> Rhythm:
    """`heartbeat_ns`: of silence, after which the box says that it lives."""
    sends = blocks = beats = 0
    first_ns = last_ns = 0
    for number, send in enumerate(schedule(periods, send_ns, block_ns)):
        if number < 2:  # the first comes early
            first_ns = last_ns = send.at_ns
            continue
        sends += -(-len(send.ends_ns) // TOGETHER_BLOCKS)
        blocks += len(send.ends_ns)
        beats += (send.at_ns - last_ns - 1) // heartbeat_ns
        last_ns = send.at_ns
        if number > SENDS_MIN + 1 and (blocks > BLOCKS_MAX or last_ns > 2 * DAY_NS):
            break
    days = (last_ns - first_ns) / DAY_NS
    if not sends:
        return Rhythm(heartbeats=DAY_NS / heartbeat_ns)
    return Rhythm(sends / days, blocks / days, beats / days)


def content_a_day(reads: Sequence[Read], send_ns: int, block_ns: int, answers: Answers) -> float:
    """Bytes a day of all messages, without EMPTY_BYTES of each."""
    if not reads:
        return 0.0
    fastest_ns = min(min(each.periods) for each in reads)
    send_ns = min(send_ns, max(block_ns, SCANS_MAX * fastest_ns))
    apart_ns = max(send_ns, fastest_ns)
    often = [each for each in reads if min(each.periods) <= SENDS_MIN * apart_ns]
    seldom = [each for each in reads if min(each.periods) > SENDS_MIN * apart_ns]
    samples = sum(each.samples_a_day for each in often) * apart_ns / DAY_NS
    count = round(max(SENDS_MIN, min(SENDS_MAX, SAMPLES_MAX / samples)))
    periods = [period for each in often for period in each.periods]
    sends = list(islice(schedule(periods, send_ns, block_ns), count + 2))
    return _of_all(
        often,
        lambda some: _together(some, sends, answers),
        lambda each: round(each.samples_a_day * count * apart_ns / DAY_NS),
    ) + _of_all(
        seldom,
        lambda some: sum(_alone(each, answers) for each in some),
        lambda each: len(each.plan.tags) * ALONE_SCANS,
    )


def _of_all(
    reads: Sequence[Read],
    a_day: Callable[[Sequence[Read]], float],
    samples: Callable[[Read], int],
) -> float:
    """`a_day` of all, or of as many as may be tried: the others cost what these do without the
    first, which pays for what they share.
    """
    if not reads:
        return 0.0
    mixed = _mixed(reads)
    tried = max(1, bisect_right(list(accumulate(map(samples, mixed))), SAMPLES_MAX))
    found = a_day(mixed[:tried])
    if tried == 1 or tried >= len(mixed):
        return (
            found
            * sum(each.samples_a_day for each in mixed)
            / sum(each.samples_a_day for each in mixed[:tried])
        )
    others = sum(each.samples_a_day for each in mixed[tried:])
    later = sum(each.samples_a_day for each in mixed[1:tried])
    return found + (found - a_day(mixed[:1])) * others / later


def _mixed(reads: Sequence[Read]) -> list[Read]:
    """The first of each kind, then the second of each, and so on; kinds in no order."""
    alike: dict[tuple[int, int, str], list[Read]] = defaultdict(list)
    for each in reads:
        alike[id(each.plan.tags), each.period_ns, each.driver].append(each)
    kinds = sorted(
        alike.values(), key=lambda kind: shake_128(kind[0].plan.device.encode()).digest(8)
    )
    return [each for rank in zip_longest(*kinds) for each in rank if each is not None]


def _together(reads: Sequence[Read], sends: Sequence[Send], answers: Answers) -> float:
    """Content a day of all of `sends` but the last, and the first, which comes early."""
    last_ns = sends[-2].ends_ns[-1]
    groups = [_Tried(each, number, last_ns, answers) for number, each in enumerate(reads, 1)]
    sealer = Sealer([each.group for each in groups])
    sealer.features = FEATURES
    size = seq = 0
    for send in sends[:-1]:
        blocks: list[bytes] = []
        for end_ns in send.ends_ns:
            for each in groups:
                each.scan(end_ns)
            sealed = sealer.seal(1, seq + 1, 1)
            seq += len(sealed)
            blocks += [block.data for block in sealed]
        if send is not sends[0]:
            size += sum(len(message) - EMPTY_BYTES for message in _messages(blocks))
    return size * DAY_NS / (sends[-1].at_ns - sends[1].at_ns)


def _alone(read: Read, answers: Answers) -> float:
    """Content a day of a group whose scans come one by one, as does what is pushed."""
    rows = _Tried(replace(read, news=None), 1, read.period_ns * ALONE_SCANS, answers)
    content = _one_by_one(rows.group, read.period_ns, rows.scan)
    if read.news:
        pushed = _Tried(read, 1, 0, answers)
        content += _one_by_one(pushed.group, read.news.every_ns, lambda end_ns: pushed.push())
    return content


def _one_by_one(group: Group, every_ns: int, take: Callable[[int], None]) -> float:
    """Content a day of ALONE_SCANS blocks; `take` gives the group what is sealed up to then."""
    sealer = Sealer([group])
    sealer.features = FEATURES
    size = 0
    for number in range(1, ALONE_SCANS + 1):
        take(every_ns * number)
        size += sum(len(block.data) - EMPTY_BYTES for block in sealer.seal(1, number, 1))
    return size / ALONE_SCANS * DAY_NS / every_ns


def _messages(blocks: Sequence[bytes]) -> Iterator[bytes]:
    """What carries the blocks of a send."""
    together: list[bytes] = []
    size = 0
    for block in blocks:
        if together and (size + len(block) > TOGETHER_BYTES or len(together) == TOGETHER_BLOCKS):
            yield from _joined(together)
            together, size = [], 0
        together.append(block)
        size += len(block)
    yield from _joined(together)


def _joined(blocks: Sequence[bytes]) -> Sequence[bytes]:
    if len(blocks) < 2:
        return blocks
    try:
        return [bundle(blocks, FEATURES)]
    except ValueError:  # they can't be joined, and travel one by one
        return blocks


class _Tried:
    """A group that is scanned until `until_ns`."""

    def __init__(self, read: Read, number: int, until_ns: int, answers: Answers) -> None:
        self._read = read
        self.group = Group(number, read.plan)
        self.group.start(0)
        count = -(-until_ns // read.period_ns)
        self._rows = answers(read, f"{number}", count)
        self._late = array("H", shake_128(f"late {number}".encode()).digest(4 * count))
        parts = sum(len(request.parts) for request in read.plan.requests)
        self._good = bytes([pb.QUALITY_GOOD]) * parts
        self._half_us = read.plan.scan_ns // 2000
        self._tick = 0
        self._news = read.news.all() if read.news else iter(())
        self._batch = next(self._news, [])

    def scan(self, end_ns: int) -> None:
        """All that is due before that."""
        read = self._read
        while self._tick * read.period_ns < end_ns:
            tick = self._tick
            late_ns, spread_ns = self._late[2 * tick] * 4, self._late[2 * tick + 1] * 2
            mid_ns = read.middle_ns(tick * read.plan.period_ns) + late_ns
            half_us = self._half_us + spread_ns // 1000
            self.group.push(tick, mid_ns, half_us, self._good, self._rows[tick])
            self._tick += 1
        while self._batch and self._batch[0].at_ns < end_ns:
            self.push()

    def push(self) -> None:
        """The next batch of what is pushed."""
        self.group.push_events(*batch(self._read.plan.tags, self._batch))
        self._batch = next(self._news, [])
