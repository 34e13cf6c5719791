"""`jiahe version`."""

from __future__ import annotations

import argparse
import platform
import sys

from gateway import __version__
from gateway.cli.context import Context


def main(context: Context, options: argparse.Namespace) -> int:
    found = {
        "version": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    if context.json:
        context.show_json(found)
    else:
        sys.stdout.write(f"jiahe {__version__} (Python {found['python']}, {found['machine']})\n")
    return 0
