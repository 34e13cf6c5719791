"""The small durable facts: the run counter, the run that is on, epochs without an end, gaps without
a durable carrier and those that were delivered, what the platform said that it knows.

One file, `state`, replaced atomically; the runs before stand in another (see `runs`), the uplink's
data budget in a third. Each holds the same line twice, with its checksum, and a page of line feeds
between them, so that one damaged byte, a page that can't be read, or a file cut in half never costs
it:

    <CRC-32C of the JSON, 8 hex digits> <space> <JSON> <line feed>

A file of a later version's format is stepped over: it is kept beside, as `state.2` or `runs.2` (its
format), for that version to take up again, and what every format says (`gateway`, `run`, `highest`,
`installation`) is read of it.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import segment
from gateway.buffer.ranges import RangeSet
from gateway.buffer.runs import Run, leaves_room
from gateway.ports import Disk
from native.crc import crc32c

_log = logging.getLogger(__name__)

NAME = "state"
FORMAT = 1
_BYTES_MAX = 64 << 20


@dataclass(slots=True)
class OpenEpoch:
    """An epoch whose end the platform may not know yet.

    `until_*` is when the epoch after it began: whatever this one sampled, it sampled before. Empty
    while the epoch runs. `gone`: its blocks that were announced as gaps. `reason`: why its end is
    unknown (a GapReason). `end_seq`: the block that ended it cleanly, if the box has, or had, it;
    so where the epoch ends is known even when that block is gone. 0: none is known.
    """

    epoch: int
    boot_id: str
    start_ns: int
    until_boot_id: str = ""
    until_ns: int = 0
    gone: RangeSet = field(default_factory=RangeSet)
    reason: pb.GapReason.ValueType = pb.GAP_REASON_CRASH
    end_seq: int = 0


class CarriedGap(NamedTuple):
    """A gap, and the block (epoch, seq) that carries it; (0, 0) while none does."""

    epoch: int
    seq: int
    gap: pb.Gap


@dataclass(slots=True)
class State:
    """`run`: the counter of the newest epoch of this box; `highest`: the highest epoch that the
    platform named. `installation`: 16 random bytes, made with the buffer. `now`: the run that is
    on. `features`: what the platform knows beyond the baseline, by its last Welcome (see Feature).
    `gaps` are not settled, `delivered` are (see `announcements.Delivered`).
    """

    gateway: str
    run: int = 0
    highest: int = 0
    installation: bytes = b""
    now: Run | None = None
    features: frozenset[int] = frozenset()
    epochs: dict[int, OpenEpoch] = field(default_factory=dict)
    gaps: list[CarriedGap] = field(default_factory=list)
    delivered: list[CarriedGap] = field(default_factory=list)

    def platform_named(self, epoch: int) -> bool:
        """Note the highest epoch that the platform ever saw of this gateway; whether it is new."""
        if not leaves_room(epoch):
            _log.warning("the platform names epoch %d as its highest: too high, left out", epoch)
            return False
        if epoch <= self.highest:
            return False
        self.highest = epoch
        return True


def encode(state: State) -> bytes:
    """The file's contents."""
    return sealed(json.dumps(_to_json(state), sort_keys=True, separators=(",", ":")).encode())


def sealed(text: bytes) -> bytes:
    """One line of text as a file that outlives a damaged byte, or page."""
    line = b"%08x %s\n" % (crc32c(text), text)
    return line + b"\n" * segment.PAGE_BYTES + line


def write(disk: Disk, contents: bytes, name: str = NAME) -> None:
    """Replace the file, durably. Raises OSError; the old file is then still whole.

    Tried twice: what failed once mostly works at once again, and a power cut may not wait.
    """
    try:
        _replace(disk, contents, name)
    except OSError:
        _replace(disk, contents, name)


def _replace(disk: Disk, contents: bytes, name: str) -> None:
    temporary = f"{name}.new"
    if temporary in disk.list():
        disk.unlink(temporary)
    file = disk.open(temporary, create=True)
    try:
        file.append(contents)
        file.sync()
    finally:
        file.close()
    disk.rename(temporary, name)
    disk.sync_dir()


class Found(NamedTuple):
    """A file of ours and what later versions left of it."""

    text: bytes | None  # of the present format; None: there is none that verifies
    later: list[str]  # files of later formats, the latest last

    def loaded(self) -> State | None:
        return None if self.text is None else _from_json(json.loads(self.text))


def find(disk: Disk, name: str = NAME) -> Found:
    """What there is; a file of a later format is stepped over. Raises OSError."""
    text = read(disk, name)
    number = 0 if text is None else _format(text)
    if number > FORMAT:
        text = None
        with suppress(OSError):  # where nothing may be written it is stepped over as it lies
            disk.rename(name, f"{name}.{number}")
            disk.sync_dir()
    there = disk.list()
    kept = [file for file in there if _later(file, name)]
    later = sorted(kept, key=lambda file: _later(file, name))
    return Found(text, [*later, name] if number > FORMAT and name in there else later)


def of_later(disk: Disk, later: Sequence[str]) -> State | None:
    """What the latest of these says in every format; None where there is none that verifies."""
    text = read(disk, later[-1]) if later else None
    if text is None:
        return None
    value = json.loads(text)
    state = State(value.get("gateway", ""), value.get("run", 0), value.get("highest", 0))
    state.installation = bytes.fromhex(value.get("installation", ""))
    return state


def _format(text: bytes) -> int:
    return int(json.loads(text).get("format", FORMAT))


def _later(file: str, name: str) -> int:
    """The format of a file that `find` has kept of `name`; 0 of any other."""
    stem, _, number = file.rpartition(".")
    return int(number) if stem == name and number.isdecimal() and int(number) > FORMAT else 0


def read(disk: Disk, name: str = NAME) -> bytes | None:
    """The text that `sealed` made into a file; None if there is none that verifies, or can be read.
    Raises OSError for what says nothing about the medium.
    """
    if name not in disk.list():
        return None
    try:
        with closing(disk.open(name)) as file:
            data = segment.read_around(file, 0, _BYTES_MAX)
    except OSError as error:
        if error.errno not in segment.MEDIUM_ERRORS:
            raise
        return None
    return unsealed(data)


def unsealed(data: bytes) -> bytes | None:
    """The text of a file's contents; None if neither of its copies verifies."""
    for line in data.split(b"\n"):
        checksum, _, text = line.partition(b" ")
        if checksum == b"%08x" % crc32c(text):
            return text
    return None


def _to_json(state: State) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "gateway": state.gateway,
        "run": state.run,
        "highest": state.highest,
        "installation": state.installation.hex(),
        "now": state.now.to_json() if state.now else None,
        "features": sorted(state.features),
        "epochs": [
            [e.epoch, e.boot_id, e.start_ns, e.until_boot_id, e.until_ns, list(e.gone), e.reason]
            for e in state.epochs.values()
        ],
        "ends": [[e.epoch, e.end_seq] for e in state.epochs.values() if e.end_seq],
        "gaps": [_gap_to_json(gap) for gap in state.gaps],
        "delivered": [_gap_to_json(gap) for gap in state.delivered],
    }


def _gap_to_json(carried: CarriedGap) -> list[Any]:
    data = base64.b64encode(carried.gap.SerializeToString()).decode()
    return [carried.epoch, carried.seq, data]


def _gap_from_json(value: list[Any]) -> CarriedGap:
    epoch, seq, data = value
    try:
        return CarriedGap(epoch, seq, pb.Gap.FromString(base64.b64decode(data)))
    except DecodeError as error:  # checksummed, so only a bug of ours gets here
        raise AssertionError("a gap that was never written") from error


def _from_json(value: dict[str, Any]) -> State:
    state = State(value["gateway"], value["run"], value["highest"])
    state.installation = bytes.fromhex(value["installation"])
    state.now = Run(*value["now"]) if value["now"] else None
    state.features = frozenset(value["features"])
    for epoch, boot_id, start, until_boot_id, until, gone, reason in value["epochs"]:
        state.epochs[epoch] = OpenEpoch(
            epoch, boot_id, start, until_boot_id, until, RangeSet((a, b) for a, b in gone), reason
        )
    for epoch, end_seq in value.get("ends", ()):
        state.epochs[epoch].end_seq = end_seq
    state.gaps = [_gap_from_json(gap) for gap in value["gaps"]]
    state.delivered = [_gap_from_json(gap) for gap in value.get("delivered", ())]
    return state


def owner(file: Path) -> str | None:
    """The gateway whose `state` this is, for whom only looks; None where it is gone, or damaged,
    which the daemon sees to. Raises no OSError.
    """
    try:
        text = unsealed(file.read_bytes())
    except OSError:
        return None
    found = None if text is None else json.loads(text).get("gateway")
    return found if isinstance(found, str) else None
