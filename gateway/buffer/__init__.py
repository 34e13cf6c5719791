"""The buffer: what was sampled stays on the box until the platform has made it durable.

Theory of operation
===================

A block is put into RAM. If it is acknowledged before its flush is due it is dropped from there and
never touches the flash. Else it is appended to a segment with all other blocks that are due, and
the segment is synced once. A segment is unlinked when each of its blocks is acknowledged, or gone
and announced. Nothing is rewritten in place.

Files of the directory
----------------------

    lock                      held by flock(2), as the directory is, while a daemon runs; its pid
    state                     run counter, epochs without an end, gaps: see `state`, `announcements`
    runs                      the runs before this one: see `runs`
    0000000000000001.seg ...  segments, rising, of about `segment_bytes`: see `record`
    sets/                     catalogs and tag sets, by their content: see `sets`
    rejected/                 blocks that were set aside, for people: see `refused`, `aside`

A segment is a run of records: a segment header (format version, gateway id, UTC), names of
catalogs, blocks. Every block follows, in the same segment, the names of the catalogs that it needs,
so a lost state file parts no block from them. A second copy is synced with the first, and one lies
a page further on, so that no damaged bit or page costs all blocks of a segment. What is named is
durable before the block is. A new process never appends to an old segment.

States of a block
-----------------

    put ──▶ RAM ──flush──▶ disk ──ack──▶ acked ──segment unlinked──▶ forgotten
             │ └─ack─▶ forgotten    │        └─the platform lost it─▶ disk again
             └─ memory bound ─▶ gone ◀─ evicted, expired, damaged, rejected
                                  └─▶ pending gap ─▶ carried by a block ─▶ settled by its ack
                                           └────── the platform lost it ◀──────┘

Invariants
----------

I1  A block leaves only by an acknowledgement of itself, or by a gap.
I2  A gap for blocks on disk is durable in `state` before their segment is unlinked, and stays there
    until the block that carries it is acknowledged. `state` names the carrier too, so a restart
    announces it again only where the carrier is gone or was not noted yet, which says nothing new:
    gaps are sets.
I3  Nothing counts as durable before fdatasync returned, and the directory's fsync for a new file.
I4  After an error nothing of that segment is trusted: it is closed, cut to what was confirmed, read
    again, and what was not confirmed is written from RAM into a new one. If that fails too, blocks
    stay in RAM (state `memory_only`) up to a bound and the disk is tried again each 10 s.
I5  An epoch number is durable in `state` before its first block. On a disk that refuses, its 32
    random bits keep it unused.
I6  An epoch stays in `state` until the platform holds its end (the block with end_of_epoch, or a
    gap that says that the count is unknown), or a gap in `state` names its last block.

What a crash leaves
-------------------

    during append or sync     a torn tail: cut when opening; the blocks are in the crash gap
    segment made, name lost   no file: likewise
    after sync                the blocks; they are sent, and acknowledged if the platform has them
    state.new written         ignored, the old `state` holds
    state saved, not unlinked the blocks named in its gaps are not sent; the file goes
    acked, not unlinked       kept again until Welcome says that the platform holds them

The crash gap (`announcements.conclude`) is built when nothing of an earlier epoch is left to send
and the platform has said what it holds: it begins where the known prefix ends, names the holes
after that, and ends where the next epoch began. An earlier epoch that ended cleanly gets one only
if the block with its end was lost before any later run saw it; else its holes are damage, the count
is exact, and the gap that names the last block says that nothing follows.

Damage at rest
--------------

Opening reads headers only, the last segment fully. A damaged header costs its record: the scan
goes on at the next one that verifies, also behind a page that the medium refuses. A damaged body is
found when it is read for sending, and becomes a gap. What has no name any more is a hole in the
numbers of its epoch, announced when the epoch is concluded. `state` is written twice in one
file, a page apart.
"""

from gateway.buffer.block import (
    BlockKey,
    BufferConfig,
    BufferUnusableError,
    ScanCounts,
    SealedBlock,
)
from gateway.buffer.disk import OsDisk
from gateway.buffer.store import Buffer

__all__ = [
    "BlockKey", "Buffer", "BufferConfig", "BufferUnusableError", "OsDisk", "ScanCounts",
    "SealedBlock",
]  # fmt: skip
