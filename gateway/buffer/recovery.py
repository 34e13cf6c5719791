"""Opening a directory: what is in it, and what of it is sent no more. Runs in the disk's thread.

A disk that is failing, full or read-only must not keep the daemon from starting: what can't be read
is damage, and what can't be mended waits for the next start.
"""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass, field

from gateway.buffer import record, runs, segment, sets, state
from gateway.buffer.block import BlockKey, BufferUnusableError
from gateway.buffer.index import BlockLocation, Index, Segment
from gateway.buffer.refused import Aside
from gateway.catalog import ID_BYTES
from gateway.ports import Disk, File


@dataclass(slots=True)
class Recovered:
    """What opening found. `damaged` counts stretches that are no record, a torn tail excepted.
    `newer`: files of a later version's format, kept unread, and `newer_bytes` of the segments among
    them. `names`: of each epoch's catalogs.
    `state_lost`: there is a state file, and none of its copies verifies. `is_new`: nothing was
    there.
    """

    index: Index = field(default_factory=Index)
    names: dict[int, tuple[bytes, ...]] = field(default_factory=dict)
    sets: dict[bytes, int] = field(default_factory=dict)
    runs: runs.Runs = field(default_factory=runs.Runs)
    set_aside: list[BlockKey] = field(default_factory=list)
    next_segment: int = 1
    last_write_utc_ns: int = 0
    damaged: int = 0
    newer: list[str] = field(default_factory=list)
    newer_bytes: int = 0
    state_lost: bool = False
    is_new: bool = False


def recover(disk: Disk, gateway: str) -> tuple[Recovered, state.State]:
    """What was announced before is sent no more.

    Raises BufferUnusableError if a file is another gateway's, OSError if the directory can't be
    read, or the box lacks something (descriptors, memory, permission).
    """
    found = Recovered()
    with suppress(OSError):  # for words only
        found.last_write_utc_ns = disk.last_write_utc_ns()  # before anything is mended
    known = _facts(found, disk, gateway)
    if known.gateway != gateway:
        raise BufferUnusableError(
            "buffer.other_gateway", file=state.NAME, found=known.gateway, expected=gateway
        )
    numbers = sorted(n for n in map(segment.number, disk.list()) if n is not None)
    for number in numbers:
        found.next_segment = number + 1
        try:
            _recover_file(found, disk, number, gateway, number == numbers[-1])
        except FileNotFoundError:  # beside a daemon, which needed it no more
            continue
        except OSError as error:
            if error.errno not in segment.MEDIUM_ERRORS:
                raise
            found.damaged += 1  # the file stays, and what was found of it counts
    found.is_new = not (numbers or found.runs.highest or known.run or found.state_lost)
    with suppress(OSError):  # a content that is not seen is written again
        found.sets = sets.found(disk)
    with suppress(OSError):  # those in it are refused, and set aside, once more
        found.set_aside = Aside(disk).found()
    _forget_gone(found.index, known)
    return found, known


def _facts(found: Recovered, disk: Disk, gateway: str) -> state.State:
    """What the state file and that of the runs say; of later formats what every format says."""
    ours, earlier = state.find(disk), state.find(disk, runs.NAME)
    found.newer += [*ours.later, *earlier.later]
    known = ours.loaded()
    found.state_lost = known is None and not ours.later and state.NAME in disk.list()
    if earlier.text is not None:
        found.runs = runs.decode(earlier.text)
    known = known or state.of_later(disk, ours.later)
    return known or state.State(gateway, installation=found.runs.installation)


def _forget_gone(index: Index, known: state.State) -> None:
    """Drop the blocks that were announced as gaps: their file was not unlinked in time."""
    gone = [(gap.epoch, r.first, r.last) for _, _, gap in known.gaps for r in gap.blocks]
    gone += [(number, *r) for number, entry in known.epochs.items() for r in entry.gone]
    for number, first, last in gone:
        epoch = index.epochs.get(number)
        for seq in epoch.live.within(first, last).numbers() if epoch else ():
            index.drop(BlockKey(number, seq), acked=False)


def _recover_file(result: Recovered, disk: Disk, number: int, gateway: str, is_last: bool) -> None:
    """Index one segment by its headers; the last one is read fully, and its torn tail is cut. One
    that a later version wrote is stepped over, and stays as it is.
    """
    with closing(disk.open(segment.name(number))) as file:
        info = result.index.segments[number] = Segment(file.size(), 0)
        good_end = damaged = 0
        tail: list[bool] = []  # of the damage after the last record: whether it is unread
        for found in segment.scan(file, bodies=is_last, around=True):
            if isinstance(found, segment.Damage) or not found.intact:
                tail.append(isinstance(found, segment.Damage) and found.unread)
                continue
            damaged += len(tail)
            tail.clear()
            good_end = found.offset + found.header.record_bytes
            if found.header.version > record.VERSION:
                del result.index.segments[number]
                result.newer.append(segment.name(number))
                result.newer_bytes += info.size
                return
            if found.header.kind == record.SEGMENT:
                _check_origin(file, found, gateway, number)
            _index_record(result, file, number, found)
        if good_end == 0:
            del result.index.segments[number]
        if any(tail) or not is_last:
            result.damaged += damaged + len(tail)
        else:
            result.damaged += damaged
            if good_end and tail:
                info.size = good_end
                with suppress(OSError):
                    file.truncate(good_end)
                    file.sync()
    if good_end == 0 and not any(tail):
        with suppress(OSError):
            disk.unlink(segment.name(number))
            disk.sync_dir()


def _index_record(result: Recovered, file: File, number: int, found: segment.Found) -> None:
    head = found.header
    location = BlockLocation(number, found.offset, head.record_bytes, head.scans)
    if head.kind == record.SEGMENT:
        result.index.segments[number].created_utc_ns = head.time_ns
    elif head.kind == record.NAMES:
        names = _names(file, found)
        if len(names) > len(result.names.get(head.epoch, ())):
            result.names[head.epoch] = names
    elif head.kind == record.BLOCK:
        epoch = result.index.epoch(head.epoch)
        epoch.live.add(head.seq, head.seq)
        epoch.newest_ns = max(epoch.newest_ns, head.time_ns)
        if head.flags & record.FLAG_END_OF_EPOCH:
            epoch.end_seq = head.seq
        result.index.stored(BlockKey(head.epoch, head.seq), location)


def _names(file: File, found: segment.Found) -> tuple[bytes, ...]:
    """The names that a record holds; none if it is damaged."""
    head = found.header
    body = segment.read_around(file, found.offset + record.HEADER_BYTES, head.length)
    if not record.body_is_intact(head, body):
        return ()
    return tuple(body[at : at + ID_BYTES] for at in range(0, len(body), ID_BYTES))


def _check_origin(file: File, found: segment.Found, gateway: str, number: int) -> None:
    """Refuse what is not ours to read, before anything was changed or sent."""
    name, head = segment.name(number), found.header
    body = segment.read_around(file, found.offset + record.HEADER_BYTES, head.length)
    if record.body_is_intact(head, body) and body != gateway.encode():
        raise BufferUnusableError(
            "buffer.other_gateway", file=name, found=body.decode(errors="replace"), expected=gateway
        )
