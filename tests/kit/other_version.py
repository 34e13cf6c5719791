"""Runs `jiahe` or `jiahe-ingest` as another version of it: one with other features and protocols.

    python tests/kit/other_version.py FEATURES PROTOCOLS PROGRAM ARGUMENT...

FEATURES are numbers with commas between, PROTOCOLS the lowest and the highest with one. It is the
same code with other lists: what an older one lacks is never used, and what a newer one has and this
does not is a number that the other side must not stumble over.
"""

from __future__ import annotations

import sys
from pathlib import Path


def _box(features: frozenset[int], protocols: tuple[int, int]) -> int:
    from gateway import openssl

    openssl.leave_out()  # before anything imports asyncio, as `jiahe run` does
    from gateway.cli.main import main
    from gateway.uplink import greeting

    greeting.FEATURES = features  # type: ignore[assignment]  # numbers of another version
    greeting.PROTOCOL_MIN, greeting.PROTOCOL_MAX = protocols
    return main()


def _receiver(features: frozenset[int], protocols: tuple[int, int]) -> int:
    from ingest import session
    from ingest.main import main

    session.FEATURES = features  # type: ignore[assignment]  # `server` takes it when it is imported
    defaults = session.Session.__init__.__kwdefaults__
    assert defaults is not None
    defaults["versions"] = protocols
    return main()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part)


if __name__ == "__main__":
    _, features, protocols, program, *arguments = sys.argv
    sys.argv = [program, *arguments]
    low, high = _numbers(protocols)
    run = {"jiahe": _box, "jiahe-ingest": _receiver}[Path(program).name]
    sys.exit(run(frozenset(_numbers(features)), (low, high)))
