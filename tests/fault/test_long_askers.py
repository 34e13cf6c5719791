"""A thousand rows beside somebody else who asks on the same line, with JIAHE_LONG=1 a hundred
thousand: never a good value that is his (field cases 1.1 and 1.2). In virtual time.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.unit.test_engine_askers import with_other, wrong

ROWS = 100_000 if "JIAHE_LONG" in os.environ else 1_000


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("framing", ["rtu", "ascii"])
@pytest.mark.parametrize("his_size", [1, 2], ids=["as much", "more"])
@pytest.mark.parametrize("visible", [False, True], ids=["unseen", "seen"])
def test_values_when_another_asks_for_many_rows_then_none_is_good_and_his(
    rng: random.Random, visible: bool, his_size: int, framing: str
) -> None:
    talk = with_other(
        rng, visible=visible, ours=(10, 20), his_size=his_size, framing=framing, until_ms=300 * ROWS
    )
    assert len(talk.rows()) >= 1.98 * ROWS
    assert wrong(talk) == []
    if visible or his_size != 1:  # requests or sizes tell
        assert talk.good() >= 0.95
