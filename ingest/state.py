"""What is there now: the gateways and how they are, and the newest value of each tag."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from ingest.chain import runs_of
from ingest.decode import quality_name
from ingest.samples import Reader, Sample

_S = 1_000_000_000


def gateways(sql: sqlite3.Connection, now_ns: int) -> list[dict[str, Any]]:
    """One dict a gateway; see docs/platform.md for the fields."""
    found = []
    for name, epoch, address, heard_ns, taken_from, machine in sql.execute(
        "SELECT gateway, current_epoch, address, heard_utc_ns, taken_from, machine FROM gateways"
        " ORDER BY gateway"
    ).fetchall():
        software, duplicates = sql.execute(
            "SELECT coalesce(max(CASE WHEN epoch = ?2 THEN software END), ''),"
            " coalesce(sum(duplicates), 0) FROM epochs WHERE gateway = ?1",
            (name, epoch),
        ).fetchone()
        runs, open_runs = sql.execute(
            "SELECT count(*), total(NOT closed) FROM epochs WHERE gateway = ?", (name,)
        ).fetchone()
        (received_ns,) = sql.execute(
            "SELECT max(received_utc_ns) FROM payloads WHERE gateway = ?", (name,)
        ).fetchone()
        (blocks,) = sql.execute(
            "SELECT total(last - first + 1) FROM held WHERE gateway = ?", (name,)
        ).fetchone()
        found.append(
            {
                "gateway": name,
                "run": epoch >> 32,
                "address": address,
                "heard_s_ago": (now_ns - heard_ns) / _S if heard_ns else None,
                "block_s_ago": None if received_ns is None else (now_ns - received_ns) / _S,
                "software": software,
                "machine": bytes(machine).hex(),
                "taken_from": taken_from,
                "runs": runs,
                "open_runs": int(open_runs),
                "blocks": int(blocks),
                "duplicates": duplicates,
            }
        )
    return found


def latest(
    sql: sqlite3.Connection, gateway: str | None = None, device: str | None = None,
    tag: str | None = None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The newest entry of each tag of the newest run of each gateway that has any. A tag that is
    reported on change was said within the last hour, or the run is younger."""
    for (name,) in sql.execute("SELECT gateway FROM gateways ORDER BY gateway").fetchall():
        if gateway not in (None, name):
            continue
        for run in reversed(runs_of(sql, name)):
            found = list(Reader(sql).latest(run, device, tag))
            if found:
                for one in sorted(found, key=lambda sample: (sample.device, sample.tag)):
                    yield {"gateway": name, **_told(one)}
                break


def _told(sample: Sample) -> dict[str, Any]:
    return {
        "device": sample.device,
        "tag": sample.tag,
        "time_ns": sample.time_ns,
        "source_time_ns": sample.source_time_ns or None,
        "value": sample.value,
        "quality": quality_name(sample.quality),
        "uncertain_time": sample.uncertain,
    }
