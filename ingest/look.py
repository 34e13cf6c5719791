"""The commands that look at a store, or take a file into one, or out of it."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from ingest import state
from ingest.audit import say_days, say_epochs
from ingest.export import export_csv
from ingest.messages import said
from ingest.samples import Selection
from ingest.stores import sqlite_path
from ingest.stores.backup import backup as make_backup
from ingest.stores.opening import connect, connect_readonly
from ingest.words import cleaned

#: So many known gateways are named where an unknown one was asked for.
_NAMES_SHOWN = 20


class UnknownNameError(Exception):
    """`--gateway` or `--device` names one of which the store knows nothing. The text names the
    known ones.
    """


@contextmanager
def _reading(arguments: argparse.Namespace) -> Iterator[sqlite3.Connection]:
    """Raises UnknownNameError."""
    gateway, device = (getattr(arguments, one, None) for one in ("gateway", "device"))
    with closing(connect_readonly(sqlite_path(arguments.store))) as sql:
        if gateway is not None:
            rows = sql.execute("SELECT gateway FROM gateways ORDER BY gateway")
            _check_name(gateway, [row[0] for row in rows], "no_gateway", "more_gateways")
        if device is not None:
            rows = sql.execute(
                "SELECT DISTINCT device FROM series WHERE ?1 IS NULL OR gateway = ?1 ORDER BY 1",
                (gateway,),
            )
            _check_name(device, [row[0] for row in rows], "no_device", "more_devices")
        yield sql


def _check_name(name: str, known: Sequence[str], none: str, more: str) -> None:
    """Raises UnknownNameError in the words of `none` and `more` where `name` is not `known`."""
    if name in known:
        return
    shown = ", ".join(cleaned(one) for one in known[:_NAMES_SHOWN])
    left = len(known) - _NAMES_SHOWN
    others = said(more, more=left) if left > 0 else ""
    raise UnknownNameError(said(none, name=cleaned(name), known=(shown or said("none")) + others))


def export(arguments: argparse.Namespace) -> int:
    selection = Selection(
        arguments.gateway, arguments.device, arguments.tag, arguments.start, arguments.end
    )
    with _reading(arguments) as sql:
        export_csv(sql, selection, sys.stdout, excel=arguments.excel)
    return 0


def audit(arguments: argparse.Namespace) -> int:
    with _reading(arguments) as sql:
        if arguments.by != "day" and arguments.expect is None:
            return say_epochs(sql, sys.stdout, as_json=arguments.json, gateway=arguments.gateway)
        return say_days(
            sql, sys.stdout, as_json=arguments.json, now_ns=time.time_ns(),
            gateway=arguments.gateway, start_ns=arguments.start, end_ns=arguments.end,
            expect=arguments.expect,
        )  # fmt: skip


def gateways(arguments: argparse.Namespace) -> int:
    with _reading(arguments) as sql:
        found = state.gateways(sql, time.time_ns())
    if arguments.json:
        return _document("gateways", found)
    for one in found:
        heard = one["heard_s_ago"]
        if heard is None:
            counts = {key: one[key] for key in ("blocks", "runs")}
            line = said("gateway_imported", gateway=cleaned(one["gateway"]), **counts)
            sys.stdout.write(line + "\n")
            continue
        line = said(
            "gateway", gateway=cleaned(one["gateway"]), run=one["run"],
            heard=said("heard_ago", seconds=heard),
            address=cleaned(one["address"]), software=cleaned(one["software"]),
            blocks=one["blocks"], runs=one["runs"], open=one["open_runs"],
        )  # fmt: skip
        sys.stdout.write(line + "\n")
    return 0


def latest(arguments: argparse.Namespace) -> int:
    with _reading(arguments) as sql:
        found = list(state.latest(sql, arguments.gateway, arguments.device, arguments.tag))
    if arguments.json:
        return _document("latest", found)
    now_ns = time.time_ns()
    for one in found:
        value = "-" if one["value"] is None else cleaned(one["value"])
        age = (now_ns - one["time_ns"]) / 1e9
        names = ".".join(cleaned(one[name]) for name in ("gateway", "device", "tag"))
        uncertain = said("uncertain_time") if one["uncertain_time"] else ""
        line = said(
            "value", name=names, value=value, quality=one["quality"], age=age, uncertain=uncertain
        )
        sys.stdout.write(line + "\n")
    return 0


def take_file(arguments: argparse.Namespace) -> int:
    """0: all of it is held now; 1: some was refused, or the file has no end."""
    from ingest.importing import import_file

    with closing(connect(sqlite_path(arguments.store))) as sql:
        done = import_file(arguments.file, sql)
    line = said(
        "imported", gateway=cleaned(done.gateway), stored=done.stored, duplicates=done.duplicates,
        refused=len(done.refused),
    )  # fmt: skip
    sys.stdout.write(line + "\n")
    for words in done.refused:
        sys.stderr.write(f"jiahe-ingest: {cleaned(words)}\n")
    if done.cut:
        sys.stderr.write(f"jiahe-ingest: {said('import_cut', file=arguments.file)}\n")
    return 1 if done.refused or done.cut else 0


def backup(arguments: argparse.Namespace) -> int:
    size = make_backup(sqlite_path(arguments.store), arguments.file)
    sys.stdout.write(said("backup_done", file=arguments.file, size=size) + "\n")
    return 0


def _document(name: str, found: list[dict[str, Any]]) -> int:
    document = {"format": 1, name: found}
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    return 0
