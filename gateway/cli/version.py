"""`jiahe version`."""

from __future__ import annotations

import argparse
import platform
import sys

from gateway import __version__
from gateway.cli.context import Context


def line() -> str:
    return f"jiahe {__version__} (Python {platform.python_version()}, {platform.machine()})\n"


def main(context: Context, options: argparse.Namespace) -> int:
    found = {
        "version": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    if context.json:
        context.show_json(found)
    else:
        sys.stdout.write(line())
    return 0
