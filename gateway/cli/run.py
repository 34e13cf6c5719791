"""`jiahe run`: the daemon, in the foreground."""

from __future__ import annotations

import argparse
import os
import sys

from gateway import openssl
from gateway.cli.context import Context, complain


def main(context: Context, options: argparse.Namespace) -> int:
    """Runs until it is told to stop; 1 where the configuration is refused."""
    openssl.leave_out()
    from gateway.config import load, render

    loaded = load(context.config)
    for problem in loaded.problems:
        sys.stderr.write(render(problem, context.lang) + "\n")
    if loaded.config is None:
        complain(context.lang, "daemon.no_config", path=str(context.config))
        return 1
    # gRPC prints its own lines, in English; what matters of them reaches the log in words.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from gateway import supervisor

    return supervisor.main(loaded.config, context.config, (*loaded.files, *loaded.tables))
