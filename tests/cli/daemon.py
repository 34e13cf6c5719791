"""A stand-in for the daemon: the real control socket, answering with a sample snapshot."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.control.server import ControlServer, Handler, Peer, RequestError

ROOT = Path(__file__).parents[2]
COMMAND = [str(Path(sys.executable).with_name("jiahe"))]  # the installed entry point

ROWS: list[dict[str, Any]] = [
    {"device": "press-11", "tag": "pressure", "value": "12.5", "unit": "bar", "quality": "good",
     "cause": None, "age_s": 0.4},
    {"device": "press-12", "tag": "压力", "value": None, "unit": "bar", "quality": "bad",
     "cause": {"id": "device.no_answer", "args": {}}, "age_s": 75.0},
]  # fmt: skip


def device(name: str, state: str, cause: dict[str, Any] | None) -> dict[str, Any]:
    group = {
        "id": 1, "period_ns": 10**9, "tags": 4, "requests": 1, "ticks": 90, "rows": 88,
        "skipped": {"overrun": 2}, "late_us": {"p50": 20, "p99": 90, "max": 200},
    }  # fmt: skip
    return {
        "name": name, "link": "com1", "unit": 11, "driver": "modbus", "profile": "", "state": state,
        "cause": cause, "since_s": 80.0, "last_good_s": 0.5 if cause is None else 75.0,
        "answer_us": {"p50": 18_000, "max": 24_500}, "requests": 100, "timeouts": 3, "damaged": 1,
        "exceptions": 0, "timeout_us": 120_000,
        "learned": [{"id": "learned.max_registers", "args": {"count": 60}}], "groups": [group],
    }  # fmt: skip


SNAPSHOT: dict[str, Any] = {
    "version": "0.1.0", "gateway": "jx-0001", "site": "嘉兴一号车间", "epoch": 3 << 32, "run": 3,
    "pid": 42, "uptime_s": 273_600.0, "config": "/etc/jiahe/gateway.toml",
    "warnings": [{"id": "device.no_answer", "args": {"device": "press-12"}}],
    "links": [
        {"name": "com1", "type": "serial", "target": "/dev/jiahe/com1", "state": "up",
         "cause": None, "since_s": 3600.0, "devices": 2,
         "in_flight": 1, "in_flight_learned": False, "listen_only": False,
         "requests": 200, "answers": 197, "timeouts": 3, "damaged": 1,
         "wrong": 1, "late": 0, "exceptions": 0, "retries": 2, "reconnects": 0,
         "bytes_in": 4096, "bytes_out": 1600, "busy_share": 0.38,
         "line_errors": {"frame": 1, "parity": 2, "overrun": 0}, "warnings": []},
        {"name": "车间网络", "type": "tcp", "target": "192.168.10.21:502", "state": "down",
         "cause": {"id": "link.refused", "args": {"target": "192.168.10.21:502"}},
         "since_s": 12.0, "devices": 0,
         "in_flight": 4, "in_flight_learned": True, "listen_only": False, "requests": 0,
         "answers": 0, "timeouts": 0, "damaged": 0,
         "wrong": 0, "late": 0, "exceptions": 0, "retries": 0, "reconnects": 4, "bytes_in": 0,
         "bytes_out": 0, "busy_share": 0.0, "line_errors": None, "warnings": []},
    ],
    "devices": [
        device("press-11", "good", None),
        device("press-12", "silent", {"id": "device.no_answer", "args": {}}),
    ],
    "buffer": {
        "state": "ok", "cause": None, "blocks": 7, "bytes": 70_000, "max_bytes": 2 << 30,
        "memory_blocks": 1, "memory_bytes": 9_000, "oldest_s": 7.0, "written_bytes": 1_400_000,
        "flushes": 12, "flush_lag_ms": 3.0, "evicted_blocks": 5, "rejected_blocks": 0,
        "damaged_records": 0, "gaps": {"overrun": 2}, "previous_end": None,
        "warnings": [{"id": "buffer.full", "args": {"blocks": 5}}],
    },
    "uplink": {
        "state": "waiting", "cause": {"id": "uplink.unreachable", "args": {"address": "ingest:1"}},
        "address": "ingest:1", "since_s": 6720.0, "last_ack_s": 6722.0, "round_trip_ms": 42.0,
        "sent_blocks": 900, "resent_blocks": 3, "acked_blocks": 893, "sent_bytes": 9_000_000,
        "warnings": [], "ways": [],
        "in_flight_blocks": 0, "backlog_blocks": 7, "connects": 2, "retry_in_s": 5.0, "rejects": 0,
        "budget": {
            "per": "month", "budget_bytes": 5 * 10**9, "used_bytes": 1_200_000_000, "share": 0.24,
            "used_up": False, "holding_backlog": True, "resets_in_s": 500_000.0,
            "resets_on": "2026-12-01", "lasts_s": 6_000_000.0,
        },
    },
    "clock": {"source": "system", "error_ms": 3.0, "utc_ns": 0},
    "counters": {"scans": 90, "samples": 360, "samples_bad": 4, "sealed_blocks": 900,
                 "acked_scans": 80, "buffered_scans": 9, "memory_scans": 1, "lost_scans": 0},
}  # fmt: skip


def handlers(snapshot: Mapping[str, Any]) -> dict[str, Handler]:
    async def status(params: Mapping[str, Any], peer: Peer) -> Any:
        return snapshot

    async def watch(params: Mapping[str, Any], peer: Peer) -> AsyncIterator[Any]:
        names = {row["device"] for row in ROWS}
        if params["target"] is not None and params["target"] not in names:
            raise RequestError("cli.no_target", target=params["target"])
        yield [row for row in ROWS if params["target"] in (None, row["device"])]
        yield [{**row, "value": "13.0"} for row in ROWS[:1]]

    return {"status": status, "watch": watch}


@contextlib.contextmanager
def daemon(folder: Path, snapshot: Mapping[str, Any] = SNAPSHOT) -> Iterator[Path]:
    """The configuration of a running daemon."""
    config = folder / "gateway.toml"
    config.write_text('version = 1\n[gateway]\nid = "x"\ncontrol = "run/control.sock"\n', "utf-8")
    loop = asyncio.new_event_loop()
    server = ControlServer(folder / "run" / "control.sock", handlers(snapshot))
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield config
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def jiahe(
    *arguments: str | Path, lang: str = "en", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command as a script does."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=surroundings({"JIAHE_LANG": lang, **environment}),
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def on_terminal(*arguments: str | Path, code: int = 0, **environment: str) -> str:
    """Run the command on a pseudo-terminal of 80 columns, to exit `code`; what it painted."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env=surroundings({"JIAHE_LANG": "en", "COLUMNS": "80", **environment}),
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    painted = b""
    with contextlib.suppress(OSError):  # EIO: the last process closed the terminal
        while chunk := os.read(ours, 65_536):
            painted += chunk
    os.close(ours)
    assert process.wait() == code
    return painted.decode()


def surroundings(chosen: Mapping[str, str]) -> dict[str, str]:
    """What a command sees of ours, and `chosen`."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
    return {**kept, "PYTHONUTF8": "1", **chosen}
