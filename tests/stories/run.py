"""Stories by their seeds, and what is broken in them.

    python -m tests.stories.run [--first 0] [--count 1000] [--tell]

Prints the seed of each story that breaks a promise, and what; `--tell` the whole story of each,
as a conversation that `tests/engine` can hold again.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from native.rows.group import Pool
from tests.stories.plans import CARRIED, KINDS, MACHINES, cast_of, head_of
from tests.stories.story import Story


class Broken(NamedTuple):
    seed: int
    kind: str
    what: str


def tell(seed: int, pool: Pool, told: bool = False) -> Story:
    """The story of a seed, not yet run."""
    cast = cast_of(seed)
    machine = MACHINES.index(CARRIED.get(cast.kind, cast.kind))
    guests = cast.guest_groups(pool)
    return Story(cast.link(pool), machine, seed, len(cast.plans), told, guests)


def run(first: int, count: int, happened: Counter[str] | None = None) -> Iterator[Broken]:
    """The stories of `count` seeds that break a promise; `happened` gets how often each fault did,
    and "asked".
    """
    pool = Pool()
    for seed in range(first, first + count):
        story = tell(seed, pool)
        what = story.run()
        if happened is not None:
            happened.update(story.happened)
            happened["asked"] += story.asked
        if what:
            yield Broken(seed, KINDS[seed % len(KINDS)], what)


def told(seed: int) -> str:
    """The story of a seed as a conversation, that tests/kit/conversation.py can hold again."""
    story = tell(seed, Pool(), told=True)
    what = story.run() or "nothing is broken"
    return "\n".join((f"# Story {seed}: {what}.", *head_of(cast_of(seed)), *story.lines, ""))


def said(kind: str, count: int = 40) -> list[bytes]:
    """What machines said in stories of a kind, as tests/stories/fuzz.pyx reads it: for a corpus."""
    found = []
    for seed in range(KINDS.index(kind), count * len(KINDS), len(KINDS)):
        story = tell(seed, Pool(), told=True)
        story.run()
        data = b""
        for line in story.lines:
            what, _, words = (*line.split(), "")[:3]
            piece = bytes.fromhex(words) if what == "<" else b""
            if piece and len(data) < 1500:
                data += bytes([min(255, -(-len(piece) // 4)), 2]) + piece
        found.append(data)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stories.run")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--tell", action="store_true")
    options = parser.parse_args()
    happened: Counter[str] = Counter()
    found = 0
    for broken in run(options.first, options.count, happened):
        found += 1
        sys.stdout.write(f"seed {broken.seed} ({broken.kind}): {broken.what}\n")
        if options.tell:
            sys.stdout.write(told(broken.seed))
        sys.stdout.flush()
    sys.stdout.write(f"{found} of {options.count} stories broken; {dict(happened)}\n")
    return found > 0


if __name__ == "__main__":
    sys.exit(main())
