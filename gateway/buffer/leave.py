"""What becomes of a buffer that its gateway leaves behind: moved aside, or given up.

A directory belongs to the gateway that filled it. Where the id in the configuration was changed
its blocks can't be sent any more under the new one; they are kept beside it (`keep`) or removed
(`drop`). Of the own gateway `drop` gives up what waits, and the next run announces it.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer.block import BufferConfig, BufferUnusableError
from gateway.buffer.disk import OsDisk
from gateway.buffer.gaps import Decompress
from gateway.buffer.state import owner
from gateway.buffer.store import Buffer
from gateway.ports import Clock, RunBlocking


def keep(directory: Path, gateway: str) -> Path:
    """Move another gateway's files to a directory beside; where that is. Raises OSError, and
    BufferUnusableError where they are this gateway's own, or in use.
    """
    other = _other(directory, gateway)
    moment = datetime.now(UTC).astimezone()
    target = directory.with_name(f"{directory.name}.{_plain_name(other)}-{moment:%Y%m%d-%H%M%S}")
    disk = OsDisk(directory)
    try:
        directory.rename(target)
    finally:
        disk.close()
    return target


def drop_other(directory: Path, gateway: str) -> str:
    """Remove another gateway's files; whose they were. Raises as `keep`."""
    other = _other(directory, gateway)
    disk = OsDisk(directory)
    try:
        for entry in directory.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()
    finally:
        disk.close()
    return other


async def drop_own(
    disk: OsDisk, clock: Clock, run_blocking: RunBlocking, config: BufferConfig, read: Decompress
) -> int:
    """Give up what waits, to be announced by the next run; how many blocks. Raises OSError."""
    buffer = await Buffer.open(disk, clock, run_blocking, config, read)
    blocks = buffer.live_blocks
    await buffer.give_up(pb.GAP_REASON_DROPPED)
    await buffer.close()
    return blocks


def _other(directory: Path, gateway: str) -> str:
    found = owner(directory / "state")
    if found is None or found == gateway:
        raise BufferUnusableError("buffer.is_own", path=str(directory), gateway=gateway)
    return found


def _plain_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:64]
