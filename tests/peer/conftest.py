"""What the peers need, made once a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peer import servers, table


@pytest.fixture(scope="session")
def libmodbus_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled C server."""
    return servers.build_libmodbus_server(tmp_path_factory.mktemp("libmodbus"))


@pytest.fixture(scope="session")
def table_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The common table as the servers read it."""
    path = tmp_path_factory.mktemp("table") / "table"
    table.write(path)
    return path
