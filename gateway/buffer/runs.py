"""Runs: their numbers, and their chain: which run was before, until when it sampled, how it ended.

An epoch is the number of a run: a counter of runs x 2^32 + 32 random bits, below 2^53. The next run
goes above every run of this box and above the highest epoch that the platform named. The platform's
word is taken only where it leaves room: one wrong Welcome must never use up the numbers of a box
for ever.

Each run says in its first block how the one before ended, so that time in which nothing sampled is
told from time of which the samples are lost. And a platform that was put back to an older state may
lack runs of which the box keeps nothing any more: the file `runs` remembers the newest of them, so
that they are announced. It is written once a run; the run that is on stands in `state`.
"""

from __future__ import annotations

import json
import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer.block import BufferUnusableError

_log = logging.getLogger(__name__)

NAME = "runs"
#: One a day for most of a year; a power cut an hour for ten days. Older ones are forgotten.
RUNS_MAX = 256
#: The counter of runs ends here.
COUNTER_END = 1 << 21
#: Runs from here on are for the box itself to reach: enough for one a minute over 45 days.
PLATFORM_COUNTER_END = COUNTER_END - (1 << 16)


def leaves_room(epoch: int) -> bool:
    """Whether a box may begin its next run above `epoch` because somebody else names it."""
    return 0 <= epoch >> 32 < PLATFORM_COUNTER_END


def next_epoch(
    run: int, highest: int, found: Iterable[int], random_bits: Callable[[int], int]
) -> int:
    """A number above `found`, the counter `run`, and `highest`, which the platform named.

    Raises BufferUnusableError("buffer.runs_used_up") when the counter has no further one.
    """
    if not leaves_room(highest):
        _log.warning("the platform once named epoch %d: too high, left out", highest)
        highest = 0
    run = max([run, highest >> 32, *(epoch >> 32 for epoch in found)]) + 1
    if run >= COUNTER_END:
        raise BufferUnusableError("buffer.runs_used_up", runs=COUNTER_END - 1)
    return run << 32 | random_bits(32)


@dataclass(slots=True)
class Run:
    """Times on the boot clock of `boot_id`; `boot_id` empty: nothing but its number is known.

    `sampled_until_ns`: it surely sampled until then. `last_seq`: the last block that is known of
    it; of one that stopped cleanly, its last.
    """

    epoch: int
    boot_id: str = ""
    began_ns: int = 0
    sampled_until_ns: int = 0
    last_seq: int = 0
    ended: pb.RunEnd.ValueType = pb.RUN_END_UNSPECIFIED

    def to_json(self) -> list[Any]:
        return [
            self.epoch, self.boot_id, self.began_ns, self.sampled_until_ns, self.last_seq,
            int(self.ended),
        ]  # fmt: skip


class Runs:
    """The runs before this one, in the order of their numbers. `installation` is a second home of
    what the state file has.
    """

    def __init__(self, installation: bytes = b"", runs: Iterable[Run] = ()) -> None:
        self.installation = installation
        self._runs = sorted(runs, key=lambda run: run.epoch)

    def add(self, run: Run) -> None:
        """The run is over."""
        at = bisect_left(self._runs, run.epoch, key=lambda known: known.epoch)
        known = at < len(self._runs) and self._runs[at].epoch == run.epoch
        self._runs[at : at + known] = [run]
        del self._runs[:-RUNS_MAX]

    def get(self, epoch: int) -> Run | None:
        at = bisect_left(self._runs, epoch, key=lambda run: run.epoch)
        return self._runs[at] if at < len(self._runs) and self._runs[at].epoch == epoch else None

    def after(self, epoch: int) -> list[Run]:
        """Every run that is known above `epoch`."""
        return self._runs[bisect_left(self._runs, epoch + 1, key=lambda run: run.epoch) :]

    @property
    def highest(self) -> int:
        return self._runs[-1].epoch if self._runs else 0

    def encode(self) -> bytes:
        """One line of text, for `state.sealed`."""
        value = {
            "installation": self.installation.hex(),
            "runs": [run.to_json() for run in self._runs],
        }
        return json.dumps(value, separators=(",", ":")).encode()


def decode(text: bytes) -> Runs:
    value = json.loads(text)
    return Runs(bytes.fromhex(value["installation"]), (Run(*run) for run in value["runs"]))


def begin(before: Run | None, *, first: bool) -> pb.Begin:
    """What the first block says of the run before. `first`: there was none; else, with None, the
    box has lost its memory of it.
    """
    if before is None:
        ended = pb.RUN_END_NONE_BEFORE if first else pb.RUN_END_UNSPECIFIED
        return pb.Begin(ended=ended)
    stopped = before.ended == pb.RUN_END_STOPPED
    return pb.Begin(
        previous_epoch=before.epoch,
        previous_last_seq=before.last_seq if stopped else 0,
        sampled_until_ns=before.sampled_until_ns,
        previous_boot_id=before.boot_id,
        ended=before.ended,
    )


def how_ended(before: Run, boot_id: str) -> pb.RunEnd.ValueType:
    """How a run that did not stop cleanly ended: with its boot (a power cut), or within it (a
    kill).
    """
    if not before.boot_id:
        return pb.RUN_END_UNSPECIFIED
    return pb.RUN_END_CRASHED if before.boot_id == boot_id else pb.RUN_END_POWER_LOST
