"""Numbers of epochs: a run counter x 2^32 + 32 random bits, below 2^53.

The next run goes above every run of this box and above the highest epoch that the platform named.
The platform's word is taken only where it leaves room: one wrong Welcome must never use up the
numbers of a box for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from gateway.buffer.block import BufferUnusableError
from gateway.buffer.state import State

_log = logging.getLogger(__name__)

RUNS_END = 1 << 21
#: Runs from here on are for the box itself to reach: enough for one a minute over 45 days.
PLATFORM_RUNS_END = RUNS_END - (1 << 16)


def leaves_room(epoch: int) -> bool:
    """Whether a box may begin its next run above `epoch` because somebody else names it."""
    return 0 <= epoch >> 32 < PLATFORM_RUNS_END


def next_epoch(known: State, found: Iterable[int], random_bits: Callable[[int], int]) -> int:
    """A number above `found` and all that `known` knows.

    Raises BufferUnusableError("buffer.runs_used_up") when the counter has no further one.
    """
    highest = known.highest
    if not leaves_room(highest):
        _log.warning("the platform once named epoch %d: too high, left out", highest)
        highest = 0
    run = max([known.run, highest >> 32, *(epoch >> 32 for epoch in found)]) + 1
    if run >= RUNS_END:
        raise BufferUnusableError("buffer.runs_used_up", runs=RUNS_END - 1)
    return run << 32 | random_bits(32)


def platform_named(known: State, epoch: int) -> bool:
    """Note the highest epoch that the platform ever saw of this gateway; True if that is new."""
    if not leaves_room(epoch):
        _log.warning("the platform names epoch %d as its highest: too high, left out", epoch)
        return False
    if epoch <= known.highest:
        return False
    known.highest = epoch
    return True
