"""`jiahe-ingest`: the receiver, and what a platform's people read from its store.

Exit 0: fine; 1: something is wrong and was said on stderr; 2: usage.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from google.protobuf.message import DecodeError

from ingest import look
from ingest.handshakes import HandshakeLog
from ingest.messages import said, why
from ingest.payload import PayloadError
from ingest.sorter import SortError
from ingest.stores.api import StoreError
from ingest.words import words
from usage import Parser, language


def main(argv: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status."""
    arguments = parser_in(language()).parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except BrokenPipeError:  # `export | head`: who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (StoreError, SortError, look.UnknownNameError, OSError) as error:
        sys.stderr.write(f"jiahe-ingest: {_words(error)}\n")
        return 1
    except (sqlite3.Error, PayloadError, DecodeError) as error:
        words = said("store_damaged", store=arguments.store, error=error)
        sys.stderr.write(f"jiahe-ingest: {words}\n")
        return 1


def _words(error: Exception) -> str:
    """What it says; of the system's refusals with the file that they are about."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {why(error)}"
    return why(error)


def parser_in(lang: str) -> Parser:
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

    def selected(made: Parser, *names: str) -> None:
        for name in names:
            made.add_argument(f"--{name}", help=say(name))

    def ranged(made: Parser) -> None:
        made.add_argument("--from", dest="start", type=_time, metavar="TIME", help=say("from"))
        made.add_argument("--to", dest="end", type=_time, metavar="TIME", help=say("to"))

    _serve_options(command("serve", _serve), say)

    export = command("export", look.export)
    selected(export, "gateway", "device", "tag")
    ranged(export)
    export.add_argument("--format", choices=["csv"], default="csv", help=say("format"))
    export.add_argument("--excel", action="store_true", help=say("excel"))

    audit = command("audit", look.audit)
    selected(audit, "gateway")
    ranged(audit)
    audit.add_argument("--by", choices=["day"], help=say("by"))
    audit.add_argument("--expect", type=float, metavar="PERCENT", help=say("expect"))
    audit.add_argument("--json", action="store_true", help=say("json"))

    for name, run in (("gateways", look.gateways), ("latest", look.latest)):
        made = command(name, run)
        made.add_argument("--json", action="store_true", help=say("json"))
        if name == "latest":
            selected(made, "gateway", "device", "tag")

    command("import", look.take_file).add_argument("file", type=Path, help=say("file"))
    command("backup", look.backup).add_argument("file", type=Path, help=say("target"))
    return parser


def _serve_options(serve: Parser, say: Callable[[str], str]) -> None:
    serve.add_argument("--listen", required=True, metavar="ADDR", help=say("listen"))
    serve.add_argument("--ca", type=Path, help=say("ca"))
    serve.add_argument("--cert", type=Path, help=say("cert"))
    serve.add_argument("--key", type=Path, help=say("key"))
    serve.add_argument("--crl", type=Path, metavar="FILE", help=say("crl"))
    serve.add_argument("--insecure", action="store_true", help=say("insecure"))
    serve.add_argument("--identity-header", metavar="NAME", help=say("identity_header"))
    serve.add_argument("--keep", action="append", default=[], metavar="LIMIT", help=say("keep"))
    serve.add_argument("--json", action="store_true", help=say("ready_json"))


def _time(text: str) -> int:
    """ISO 8601 (UTC when it has no zone), or nanoseconds since 1970, in nanoseconds."""
    if text.lstrip("-").isdigit() and len(text) > 8:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(said("no_time", text=text)) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime.fromtimestamp(0, UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


def _serve(arguments: argparse.Namespace) -> int:
    with contextlib.nullcontext() if arguments.insecure else HandshakeLog():
        # Not before: what gRPC traces is settled by its import, and that takes 100 ms, which the
        # commands that only read the store do without.
        from ingest.serve import Settings, UsageError, serve

        try:
            return serve(Settings.of(arguments))
        except UsageError as error:
            sys.stderr.write(f"jiahe-ingest: {error}\n")
            return 2


if __name__ == "__main__":
    sys.exit(main())
