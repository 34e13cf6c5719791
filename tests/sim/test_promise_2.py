"""A quarter of the histories, see `histories`."""

from __future__ import annotations

import pytest

from tests.sim.histories import keep_the_promise, quarter


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seeds", quarter(2))
def test_promise_when_faults_come_at_random_then_the_whole_chain_keeps_it(seeds: range) -> None:
    keep_the_promise(seeds)
