"""Stories of faults in virtual time: none breaks a promise of contracts.md, section 6.

50,000 of them; with JIAHE_LONG=1 1,000,000 from a random seed on, or as many as STORIES says.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.kit.conversation import hold
from tests.stories.plans import KINDS
from tests.stories.run import run, told

IS_LONG = "JIAHE_LONG" in os.environ
COUNT = int(os.environ.get("STORIES", "1000000" if IS_LONG else "50000"))
PARTS = 10
#: Of later stories, those that found something that no earlier one had found.
FOUND = (88249, 93839, 247839, 260671)


@pytest.mark.slow
@pytest.mark.timeout(7200 if IS_LONG else 120)
@pytest.mark.parametrize("part", range(PARTS))
def test_story_when_anything_goes_wrong_then_no_promise_breaks(part: int, seed: int) -> None:
    """The same stories each time in `make test`, others each time in `make reliability`."""
    first = (seed if IS_LONG else 0) + part * COUNT // PARTS
    broken = next(run(first, COUNT // PARTS), None)
    assert broken is None, f"{broken}\n{told(broken.seed)}"


@pytest.mark.parametrize("seed", FOUND)
def test_story_when_it_once_found_something_then_no_promise_breaks(seed: int) -> None:
    assert next(run(seed, 1), None) is None, told(seed)


def test_faults_when_a_thousand_stories_are_told_then_all_have_happened() -> None:
    happened: Counter[str] = Counter()
    assert not list(run(0, 1000, happened))
    assert min(happened.values()) >= 50, happened


@pytest.mark.parametrize("seed", [*range(4 * len(KINDS)), 135])  # there a guest finds no room
def test_story_when_written_down_then_is_held_again_byte_by_byte(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "story.dat"
    path.write_text(told(seed), encoding="utf-8")
    hold(path)
