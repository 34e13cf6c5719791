"""A factory a test, in a folder of its own that is kept when the test fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.factory import Factory


@pytest.fixture
def factory(tmp_path: Path) -> Iterator[Factory]:
    with Factory(tmp_path / "factory") as made:
        yield made
