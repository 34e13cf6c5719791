"""The rows of `make hw`: a fault each, the ledger of three books after it, a line of the table.

All rows share one box, one after the other: a row finds the service stopped, starts it, and leaves
it stopped with its books settled. After a row that failed the next one gets a new box.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from hw_tests.box.image import image
from hw_tests.box.stage import Stage
from package.__main__ import build
from package.content import BOX, ROOT
from package.target import SUITES, Target

#: No row takes half of it, on two slow cores.
ROW_S_MAX = 1200
RESULTS = ROOT / "build/hw/rows.json"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.timeout(ROW_S_MAX))


@dataclass(slots=True)
class Line:
    """Of the table: what was done to the box, what the books say of it, what was seen."""

    fault: str
    test: str
    sampled: int
    stored: int
    in_gaps: dict[str, int]
    seen: str


class Row:
    """One row while it runs."""

    def __init__(self, stage: Stage, test: str) -> None:
        self.stage, self._test = stage, test
        self._before = stage.report

    def settle(self, fault: str, seen: str = "", **gap_ticks_max: int) -> None:
        """The books; `gap_ticks_max` as `Stage.settle` has it. Then the row's line is written."""
        self.stage.settle(gap_ticks_max)
        now, before = self.stage.report, self._before
        gaps = {reason: count - before.in_gaps.get(reason, 0)
                for reason, count in now.in_gaps.items()}  # fmt: skip
        line = Line(
            fault, self._test, now.sampled - before.sampled, now.stored - before.stored,
            {reason: count for reason, count in sorted(gaps.items()) if count}, seen,
        )  # fmt: skip
        lines = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
        lines = [each for each in lines if each["test"] != self._test] + [asdict(line)]
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
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
            self._stage = Stage(self._folder / f"box-{self._count}", image())
            self._stage.__enter__()
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
    yield Row(stage, request.node.originalname)
    if FAILED in request.node.stash:
        stage.tell()
        boxes.drop()
