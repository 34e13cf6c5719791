"""`jiahe clock`: what the box knows of the time; `jiahe clock restore` sets the clock forward."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from gateway import lastknown
from gateway.certificates import not_before
from gateway.cli.context import Context, complain
from gateway.cli.status import clock_line
from gateway.config import load
from gateway.system_errors import reason

#: Where the service's buffer is, for a box whose configuration can't be read.
DEFAULT = Path("/var/lib/jiahe")


def main(context: Context, options: argparse.Namespace) -> int:
    if options.action != "restore":
        clock = context.status()["clock"]
        if context.json:
            context.show_json(clock)
            return 0
        sys.stdout.write(f"{clock_line(context, clock)}\n")
        return 0
    return restore(context)


def restore(context: Context) -> int:
    """Before the daemon, by root. 0 also where there is nothing to do: no boot fails for it."""
    config = load(context.config).config
    directory, floor_ns = DEFAULT, 0
    if config is not None:
        directory = config.buffer.path.parent
        if config.platform.cert is not None:
            floor_ns = not_before(config.platform.cert)
    try:
        set_to_ns = lastknown.restore(directory / lastknown.NAME, floor_ns)
    except OSError as error:
        complain(context.lang, "clock.not_set", error=reason(error))
        return 1
    if set_to_ns is not None:
        moment = datetime.fromtimestamp(set_to_ns / 1e9, UTC)
        words = context.words("clock.set_forward", time=f"{moment:%Y-%m-%d %H:%M:%S}Z")
        sys.stdout.write(f"{words}\n")
    return 0
