"""The stories can fail: each bug of planted.py is found by one of the first thousand."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.stories.planted import BUGS, ENOUGH, build, find


@pytest.fixture(scope="module")
def planted() -> Iterator[None]:
    try:
        build()
    except subprocess.CalledProcessError as error:
        pytest.fail(error.stdout.decode())
    yield


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_stories_when_no_bug_is_planted_then_find_none(planted: None) -> None:
    assert find(0) == ""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", range(len(BUGS)), ids=[bug.name for bug in BUGS])
def test_bug_when_planted_then_found_within_a_thousand_stories(planted: None, bug: int) -> None:
    assert find(bug + 1), f"{BUGS[bug].name}: not by {ENOUGH} stories"
