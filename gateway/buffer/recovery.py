"""Opening a directory: what is in it, and what of it is sent no more. Runs in the disk's thread."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.buffer import aside, record, segment, state
from gateway.buffer.block import BlockKey, BufferUnusableError
from gateway.buffer.index import Index, Place, Segment
from gateway.buffer.log import CatalogKey
from gateway.ports import Disk, File


@dataclass(slots=True)
class Recovered:
    """What opening found. `damaged` counts stretches that are no record, a torn tail excepted."""

    index: Index = field(default_factory=Index)
    catalogs: dict[CatalogKey, list[Place]] = field(default_factory=dict)
    set_aside: list[BlockKey] = field(default_factory=list)
    next_segment: int = 1
    last_write_utc_ns: int = 0
    damaged: int = 0


def recover(disk: Disk, gateway: str) -> tuple[Recovered, state.State]:
    """In the disk's thread. What was announced before is sent no more."""
    last_write_utc_ns = disk.last_write_utc_ns()  # before anything is mended
    known = state.load(disk) or state.State(gateway)
    if known.gateway != gateway:
        raise BufferUnusableError(
            "buffer.other_gateway", file=state.NAME, found=known.gateway, expected=gateway
        )
    found = _recover_segments(disk, gateway)
    found.set_aside, found.last_write_utc_ns = aside.Aside(disk).found(), last_write_utc_ns
    gone = [(gap.epoch, r.first, r.last) for _, _, gap in known.gaps for r in gap.blocks]
    gone += [(number, *r) for number, entry in known.epochs.items() for r in entry.gone]
    for number, first, last in gone:
        epoch = found.index.epochs.get(number)
        for seq in epoch.live.within(first, last).numbers() if epoch else ():
            found.index.drop(BlockKey(number, seq), acked=False)
    return found, known


def _recover_segments(disk: Disk, gateway: str) -> Recovered:
    """Index every segment by its headers; read the last one fully and cut its torn tail.

    Raises BufferUnusableError if a file is another gateway's or of a newer format, OSError.
    """
    result = Recovered()
    numbers = sorted(n for n in map(segment.number, disk.list()) if n is not None)
    for number in numbers:
        result.next_segment = number + 1
        file = disk.open(segment.name(number))
        try:
            empty = _recover_segment(result, number, file, gateway, number == numbers[-1])
        finally:
            file.close()
        if empty:
            disk.unlink(segment.name(number))
            disk.sync_dir()
    return result


def _recover_segment(
    result: Recovered, number: int, file: File, gateway: str, is_last: bool
) -> bool:
    """Index one segment; True if there is no record in it."""
    info = result.index.segments[number] = Segment(file.size(), 0)
    good_end = damaged = damaged_tail = 0
    for found in segment.scan(file, bodies=is_last):
        if isinstance(found, segment.Damage) or not found.intact:
            damaged_tail += 1
            continue
        damaged, damaged_tail = damaged + damaged_tail, 0
        head = found.header
        good_end = found.offset + head.record_bytes
        place = Place(number, found.offset, head.record_bytes, head.scans)
        if head.kind == record.SEGMENT:
            _check_origin(file, found, gateway, number)
            info.created_utc_ns = head.time_ns
        elif head.kind == record.CATALOG:
            result.catalogs.setdefault((head.epoch, head.revision), []).append(place)
        elif head.kind == record.BLOCK:
            epoch = result.index.epoch(head.epoch)
            epoch.live.add(head.seq, head.seq)
            if head.flags & record.FLAG_END_OF_EPOCH:
                epoch.end_seq = head.seq
            result.index.stored(BlockKey(head.epoch, head.seq), place)
    if good_end == 0:
        del result.index.segments[number]
        result.damaged += 0 if is_last else 1
        return True
    if is_last and good_end < info.size:
        file.truncate(good_end)
        file.sync()
        info.size = good_end
        damaged_tail = 0
    result.damaged += damaged + damaged_tail
    return False


def _check_origin(file: File, found: segment.Found, gateway: str, number: int) -> None:
    """Refuse what is not ours to read, before anything was changed or sent."""
    name, head = segment.name(number), found.header
    if head.version > record.VERSION:
        raise BufferUnusableError(
            "buffer.newer_format", file=name, version=head.version, known=record.VERSION
        )
    body = file.read(found.offset + record.HEADER_BYTES, head.length)
    if record.body_is_intact(head, body) and body != gateway.encode():
        raise BufferUnusableError(
            "buffer.other_gateway", file=name, found=body.decode(errors="replace"), expected=gateway
        )
