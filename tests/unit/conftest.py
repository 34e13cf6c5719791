"""Fixtures of unit tests in more than one file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.streams import Box


@pytest.fixture
def box() -> Iterator[Box]:
    """A gateway and the receiver that it talks to, without any wire."""
    made = Box()
    yield made
    made.sql.close()
