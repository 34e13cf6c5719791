"""What the peers need, made once a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
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


@pytest.fixture(params=["libmodbus", "pymodbus", "modbus_serial"])
def peer(
    request: pytest.FixtureRequest, libmodbus_server: Path, table_file: Path
) -> Callable[..., Sequence[str]]:
    """Each server that others wrote: its command over TCP, or on a port with a path and a rate."""
    return {
        "libmodbus": partial(servers.libmodbus, libmodbus_server, table_file),
        "pymodbus": partial(servers.pymodbus, table_file),
        "modbus_serial": partial(servers.modbus_serial, table_file),
    }[request.param]
