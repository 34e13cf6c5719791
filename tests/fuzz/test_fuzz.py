"""Each fuzzer of tests/fuzz/run.py for 10 seconds; for 10 minutes with JIAHE_LONG=1."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from tests.fuzz.run import FUZZERS, SECONDS, FailedError, run

LONG_S = 600.0


@pytest.mark.slow
@pytest.mark.timeout(2 * LONG_S)
@pytest.mark.parametrize("name", FUZZERS)
def test_promises_when_fuzzed_then_hold(name: str, seed: int, tmp_path: Path) -> None:
    ran = run(name, LONG_S if os.environ.get("JIAHE_LONG") else SECONDS, seed, tmp_path)
    assert ran.cases > 0


def test_fuzzer_when_in_this_folder_then_it_is_run() -> None:
    folder = Path(__file__).parent
    modules = {
        f"tests.fuzz.{file.stem}"
        for file in folder.glob("*.py")
        if "\ndef cases(" in file.read_text("utf-8")
    }
    assert modules == set(FUZZERS.values())


def test_case_when_it_fails_then_it_is_told_how_to_repeat_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    @contextmanager
    def cases(folder: Path) -> Iterator[Callable[[random.Random], None]]:
        def case(rng: random.Random) -> None:
            tried.append(rng.random())
            assert len(tried) != 4

        yield case

    module = ModuleType("broken")
    module.cases = cases  # type: ignore[attr-defined]  # as a fuzzer offers it
    monkeypatch.setitem(sys.modules, "broken", module)
    monkeypatch.setitem(FUZZERS, "broken", "broken")
    with pytest.raises(FailedError, match="--seed 7 --case 3 broken"):
        run("broken", 60, 7, tmp_path)
    run("broken", 60, 7, tmp_path, only=3)
    assert tried[4] == tried[3], "the case alone draws other choices"
