"""The rows of `make hw`: a fault each, the ledger of three books after it, a line of the table.

All rows share one box, one after the other: a row finds the service stopped, starts it, and leaves
it stopped with its books settled. After a row that failed the next one gets a new box.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from hw_tests.box.emulated import Emulated
from hw_tests.box.image import image
from hw_tests.box.real import Real, is_named
from hw_tests.box.stage import Stage
from package.__main__ import build
from package.content import BOX, ROOT
from package.target import SUITES, Target
from tests.kit.books import Stored

#: No row takes half of it, on two slow cores.
ROW_S_MAX = 1200
RESULTS = ROOT / "build/hw/rows.json"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A real box has no switches that a test can reach."""
    left_out = [item for item in items if is_named() and "switches" in _fixtures(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(ROW_S_MAX))


def _fixtures(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


@dataclass(slots=True)
class Written:
    """Of the table: what was done to the box, what the books say of it, what was seen."""

    name: str
    fault: str
    test: str
    sampled: int
    stored: int
    gap_ticks: dict[str, int]  # by reason; those of a crash can't be known
    seen: str


class Row:
    """One row while it runs."""

    def __init__(self, stage: Stage, test: str, name: str) -> None:
        self.stage, self._test, self._name = stage, test, name
        self._before = stage.report

    def settle(self, fault: str, seen: str = "", **gap_ticks_max: int) -> Stored:
        """The books; `gap_ticks_max` as `Stage.settle` has it. Then the row's line is written."""
        stored = self.stage.settle(gap_ticks_max)
        now, before = self.stage.report, self._before
        gaps = {reason: count - before.gap_ticks.get(reason, 0)
                for reason, count in now.gap_ticks.items()}  # fmt: skip
        line = Written(
            self._name, fault, self._test, now.sampled - before.sampled, now.stored - before.stored,
            {reason: count for reason, count in sorted(gaps.items()) if count}, seen,
        )  # fmt: skip
        _write(asdict(line))
        return stored

    def say(self, seen: str) -> None:
        """In the line that was written."""
        _write({**_lines()[self._name], "seen": seen})


def _lines() -> dict[str, Any]:
    """By the test's name, with its parameters."""
    known: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return known


def _write(line: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    lines = {**_lines(), line["name"]: line}
    RESULTS.write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")


class Boxes:
    """The box that the rows share, until one of them fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stage: Stage | None = None
        self._count = 0
        self.package = build(BOX, Target(SUITES["bookworm"], "arm64"), folder)

    def get(self) -> Stage:
        """Installed, configured, its service stopped."""
        if self._stage is None:
            self._count += 1
            folder = self._folder / f"box-{self._count}"
            self._stage = Real(folder) if is_named() else Emulated(folder, image())
            self._stage.__enter__()
            if isinstance(self._stage, Emulated):
                self._stage.power_on()
            self._stage.install(self.package)
        return self._stage

    def drop(self) -> None:
        if self._stage is not None:
            self._stage.__exit__()
            self._stage = None


@pytest.fixture(scope="session")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boxes]:
    made = Boxes(tmp_path_factory.mktemp("hw"))
    yield made
    made.drop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A fixture may ask how its test ended."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


FAILED = pytest.StashKey[bool]()


@pytest.fixture
def row(boxes: Boxes, request: pytest.FixtureRequest) -> Iterator[Row]:
    stage = boxes.get()
    yield Row(stage, request.node.originalname, request.node.name)
    if FAILED in request.node.stash:
        stage.tell()
        boxes.drop()


@pytest.fixture
def switches(row: Row) -> Emulated:
    """The box of this row, where it is one that can be switched off and unplugged."""
    assert isinstance(row.stage, Emulated)
    return row.stage
