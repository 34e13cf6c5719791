"""Every fuzzer, for a time, from a seed.

    python -m tests.fuzz.run [--seconds 10] [--seed N] [--case N] [NAME ...]

A fuzzer is a module of this folder that offers

    def cases(folder: Path) -> ContextManager[Callable[[random.Random], None]]

It sets up what it needs (files go under `folder`) and gives a function that tries one case with the
random choices it is handed, and raises where a promise is broken. To add one, write the module and
name it in FUZZERS. Each case has choices of its own, so that `--seed S --case N` repeats one alone.
`make test` runs each for 10 s, `make reliability` for 10 minutes (tests/fuzz/test_fuzz.py).
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

Case = Callable[[random.Random], None]
#: Name to module.
FUZZERS = {
    "config": "tests.fuzz.config_files",
    "table": "tests.fuzz.point_tables",
    "s7": "tests.fuzz.s7_frames",
    "dlt645": "tests.fuzz.dlt645_frames",
    "mtconnect": "tests.fuzz.mtconnect_stream",
    "control": "tests.fuzz.control_socket",
    "platform": "tests.fuzz.platform",
    "ingest-session": "tests.fuzz.ingest_session",
    "ingest-payload": "tests.fuzz.ingest_payload",
    "ingest-opening": "tests.fuzz.ingest_opening",
}
SECONDS = 10.0


class Ran(NamedTuple):
    fuzzer: str
    cases: int
    seconds: float


class FailedError(AssertionError):
    """A case that broke a promise, and how to repeat it; the reason is its cause."""


def run(name: str, seconds: float, seed: int, folder: Path, only: int | None = None) -> Ran:
    """Try cases until the time is over; `only` this one. Raises FailedError at the first that
    fails.
    """
    made: AbstractContextManager[Case] = import_module(FUZZERS[name]).cases(folder)
    started = time.monotonic()
    number = 0 if only is None else only
    with made as case:
        while True:
            try:
                case(random.Random(f"{seed} {name} {number}"))
            except Exception as error:
                again = f"python -m tests.fuzz.run --seed {seed} --case {number} {name}"
                raise FailedError(f"case {number}: {error!r}; repeat with: {again}") from error
            number += 1
            if only is not None or time.monotonic() - started >= seconds:
                break
    return Ran(name, number if only is None else 1, time.monotonic() - started)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each fuzzer")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--case", type=int, default=None, help="this one alone")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FUZZERS))
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(FUZZERS):
        parser.error(f"no fuzzer {', '.join(sorted(unknown))}; there are {', '.join(FUZZERS)}")
    sys.stdout.write(f"seed {options.seed}\n")
    for name in options.names or FUZZERS:
        with tempfile.TemporaryDirectory(prefix="jiahe-fuzz-") as folder:
            ran = run(name, options.seconds, options.seed, Path(folder), options.case)
        sys.stdout.write(f"{ran.fuzzer}: {ran.cases} cases in {ran.seconds:.1f} s\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
