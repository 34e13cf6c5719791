"""Planted bugs die: the simulation would have found them."""

from __future__ import annotations

import pytest

from tests.sim.histories import history
from tests.sim.mutants import MUTANTS


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_when_planted_is_found_within_200_seeds(name: str) -> None:
    for seed in range(200):
        _, wrong = history(seed, MUTANTS[name])
        if wrong:
            return
    raise AssertionError(f"{name}: survived")
