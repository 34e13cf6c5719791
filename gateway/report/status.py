"""What the control socket answers: the snapshot of everything, and live values."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gateway import __version__
from gateway.buffer.store import Buffer
from gateway.buffer.troubles import early
from gateway.clock import Anchors
from gateway.config.changes import Files
from gateway.config.model import GatewayConfig
from gateway.control.server import Peer
from gateway.ports import Clock, Disk
from gateway.report.causes import explain
from gateway.report.recent import Filling, Recent
from gateway.report.snapshot import Counters, Said, Snapshot, UplinkSnapshot
from gateway.report.troubles import worst_first
from gateway.report.watching import Watching
from gateway.scanning import Scanning
from gateway.sealing import Sealing


class _Uplink(Protocol):
    def snapshot(self) -> UplinkSnapshot: ...


class DiskRoom:
    """What is free on the buffer's file system, asked in a thread: a bad disk may not answer."""

    def __init__(self) -> None:
        self.free_bytes: int | None = None
        self.is_read_only = False

    def look(self, disk: Disk) -> None:
        try:
            self.free_bytes, self.is_read_only = disk.free_bytes(), disk.is_read_only()
        except OSError:  # the buffer says what is wrong with the disk
            self.free_bytes, self.is_read_only = None, False


@dataclass(frozen=True, slots=True)
class Parts:
    """The daemon's parts, as the status reads them."""

    config: GatewayConfig
    config_path: Path
    clock: Clock
    started_ns: int
    epoch: int
    scanning: Scanning
    sealing: Sealing
    buffer: Buffer
    uplink: _Uplink
    anchors: Anchors
    files: Files
    recent: Recent = field(default_factory=Recent)
    filling: Filling = field(default_factory=Filling)
    room: DiskRoom = field(default_factory=DiskRoom)


def snapshot(parts: Parts, *, brief: bool = False) -> Snapshot:
    """Everything, at one moment of the event loop; `brief`: what warnings are made of."""
    now_ns = parts.clock.now_ns()
    books = parts.buffer.books()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    made = Snapshot(
        version=__version__,
        gateway=parts.config.id,
        site=parts.config.site,
        epoch=parts.epoch,
        run=parts.epoch >> 32,
        pid=os.getpid(),
        uptime_s=(now_ns - parts.started_ns) / 1e9,
        config=str(parts.config_path),
        warnings=[],
        links=parts.scanning.links(),
        devices=parts.scanning.devices(brief=brief),
        buffer=parts.buffer.snapshot(),
        uplink=parts.uplink.snapshot(),
        clock=parts.anchors.snapshot(now_ns),
        counters=Counters(
            scans=parts.sealing.scans,
            samples=parts.sealing.samples,
            samples_bad=parts.sealing.samples_bad,
            sealed_blocks=parts.sealing.blocks,
            acked_scans=books.acked_scans,
            buffered_scans=books.buffered_scans,
            memory_scans=books.memory_scans,
            lost_scans=books.lost_scans,
        ),
        rss_bytes=_rss_bytes(),
        cpu_s=usage.ru_utime + usage.ru_stime,
    )
    explain(made["links"], made["devices"], parts.scanning.latest, parts.recent, now_ns)
    buffer = made["buffer"]
    parts.filling.look(buffer["bytes"], buffer["evicted_blocks"], now_ns)
    speed = parts.filling.bytes_a_second(buffer["bytes"], now_ns)
    buffer["warnings"] += early(
        buffer, parts.buffer.config, speed, parts.room.free_bytes,
        read_only=parts.room.is_read_only, connected=made["uplink"]["state"] == "connected",
    )  # fmt: skip
    changed = parts.files.changed()
    rest = [Said(id="daemon.config_changed", args={"files": ", ".join(changed)})] if changed else []
    made["warnings"] = worst_first(made, rest)
    return made


def _rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


class Answers:
    """The handlers of the control socket."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._watching = Watching(parts.scanning, parts.clock)

    def handlers(self) -> dict[str, Any]:
        return {"status": self._status, "watch": self._watching.stream}

    async def _status(self, params: Mapping[str, Any], peer: Peer) -> Any:
        return snapshot(self._parts)
