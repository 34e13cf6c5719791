"""`jiahe-ingest`: the receiver, and what a platform's people read from its store.

Exit 0: fine; 1: something is wrong and was said on stderr; 2: usage.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from google.protobuf.message import DecodeError

from ingest.payload import PayloadError
from ingest.stores import sqlite_path
from ingest.stores.api import StoreError
from ingest.tls import TlsError, TlsFiles, credentials, is_loopback
from ingest.words import Parser, language, words

#: How long open streams may still finish after SIGTERM.
_GRACE_S = 2.0


class UsageError(Exception):
    """Options that don't go together."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status."""
    arguments = _parser(language()).parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except UsageError as error:
        sys.stderr.write(f"jiahe-ingest: {error}\n")
        return 2
    except BrokenPipeError:  # `export | head`: who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (StoreError, TlsError, OSError) as error:
        sys.stderr.write(f"jiahe-ingest: {error}\n")
        return 1
    except (sqlite3.Error, PayloadError, DecodeError) as error:
        sys.stderr.write(f"jiahe-ingest: {arguments.store} can't be read, is it damaged? {error}\n")
        return 1


def _parser(lang: str) -> Parser:
    def say(key: str) -> str:
        return words(key, lang)

    parser = Parser(prog="jiahe-ingest", lang=lang, description=say("description"))
    commands = parser.add_subparsers(
        required=True, metavar=say("command"), title=say("commands"), dest="command"
    )

    def command(name: str, run: Callable[[argparse.Namespace], int]) -> Parser:
        made = commands.add_parser(name, lang=lang, help=say(name), description=say(name))
        made.set_defaults(run=run)
        made.add_argument("--store", required=True, metavar="URL", help=say("store"))
        return made

    serve = command("serve", _serve)
    serve.add_argument("--listen", required=True, metavar="ADDR", help=say("listen"))
    serve.add_argument("--ca", type=Path, help=say("ca"))
    serve.add_argument("--cert", type=Path, help=say("cert"))
    serve.add_argument("--key", type=Path, help=say("key"))
    serve.add_argument("--insecure", action="store_true", help=say("insecure"))
    serve.add_argument("--json", action="store_true", help=say("ready_json"))

    export = command("export", _export)
    export.add_argument("--gateway", help=say("gateway"))
    export.add_argument("--device", help=say("device"))
    export.add_argument("--tag", help=say("tag"))
    export.add_argument("--from", dest="start", type=_time, metavar="TIME", help=say("from"))
    export.add_argument("--to", dest="end", type=_time, metavar="TIME", help=say("to"))
    export.add_argument("--format", choices=["csv"], default="csv", help=say("format"))

    audit = command("audit", _audit)
    audit.add_argument("--by", choices=["day"], help=say("by"))
    audit.add_argument("--json", action="store_true", help=say("json"))
    return parser


def _time(text: str) -> int:
    """ISO 8601 (UTC when it has no zone), or nanoseconds since 1970, in nanoseconds."""
    if text.lstrip("-").isdigit() and len(text) > 8:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; write 2026-11-24, 2026-11-24T08:00:00+08:00 or nanoseconds"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime.fromtimestamp(0, UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


def _listen_host(address: str) -> str:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:
        raise UsageError(f"--listen {address!r}: write HOST:PORT, e.g. 127.0.0.1:8443 or [::]:8443")
    return host


def _serve(arguments: argparse.Namespace) -> int:
    host = _listen_host(arguments.listen)
    files = (arguments.ca, arguments.cert, arguments.key)
    if arguments.insecure:
        if any(files):
            raise UsageError("--insecure goes without --ca, --cert and --key")
        if not is_loopback(host):
            raise UsageError(
                f"--insecure is for loopback addresses only, not {host}: listen on 127.0.0.1, or"
                " give --ca, --cert and --key"
            )
        tls = None
    elif not all(files):
        raise UsageError(
            "give --ca, --cert and --key (mutual TLS), or --insecure on a loopback address"
        )
    else:
        tls = TlsFiles(*files)
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    return asyncio.run(_serve_until_told(arguments, host, tls))


async def _serve_until_told(arguments: argparse.Namespace, host: str, tls: TlsFiles | None) -> int:
    # grpc takes 100 ms to import: the commands that only read the store do without.
    from ingest.server import Server
    from ingest.stores.sqlite import SqliteStore

    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    server_credentials = None if tls is None else credentials(tls)
    store = SqliteStore(sqlite_path(arguments.store))
    try:
        server = Server(store)
        port = await server.start(arguments.listen, server_credentials)
        _say_ready(arguments, f"{host}:{port}", tls)
        stop = asyncio.create_task(told.wait())
        broken = asyncio.wrap_future(store.broken)
        await asyncio.wait((stop, broken), return_when=asyncio.FIRST_COMPLETED)
        await server.stop(_GRACE_S)
        if broken.done():
            await broken  # raises why; whoever started this process starts it again
    finally:
        store.close()
    return 0


def _say_ready(arguments: argparse.Namespace, address: str, tls: TlsFiles | None) -> None:
    if arguments.json:
        line = json.dumps(
            {"ready": True, "address": address, "store": arguments.store, "tls": tls is not None}
        )
    else:
        how = "plain text" if tls is None else "mutual TLS"
        line = f"jiahe-ingest: listening on {address} ({how}), store {arguments.store}"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _export(arguments: argparse.Namespace) -> int:
    from ingest.export import export_csv
    from ingest.samples import Selection
    from ingest.stores.opening import connect_readonly

    selection = Selection(
        arguments.gateway, arguments.device, arguments.tag, arguments.start, arguments.end
    )
    sql = connect_readonly(sqlite_path(arguments.store))
    try:
        export_csv(sql, selection, sys.stdout)
    finally:
        sql.close()
    return 0


def _audit(arguments: argparse.Namespace) -> int:
    from ingest import audit
    from ingest.stores.opening import connect_readonly

    sql = connect_readonly(sqlite_path(arguments.store))
    try:
        if arguments.by == "day":
            return audit.say_days(sql, sys.stdout, as_json=arguments.json, now_ns=time.time_ns())
        return audit.say_epochs(sql, sys.stdout, as_json=arguments.json)
    finally:
        sql.close()


if __name__ == "__main__":
    sys.exit(main())
