"""Modbus over the crossed ports: our driver on one, an independent slave (pymodbus) on the other.

What the platform would read out of sealed blocks is compared with the table that the slave serves:
every type, every byte order, at the rates that the field uses.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.api import LinkSpec
from hw_tests.conftest import Crossed
from tests.peer import servers, table
from tests.peer.test_daemon_peers import assert_platform_reads_table


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
@pytest.mark.parametrize("baud", [9600, 115_200])
def test_driver_on_the_crossed_ports_reads_every_type(
    crossed: Crossed, tmp_path: Path, baud: int, framing: str
) -> None:
    served = tmp_path / "table.json"
    table.write(served)
    with servers.running(servers.pymodbus(served, crossed.b, str(baud), framing=framing)):
        link = LinkSpec("loopback", "serial", port=crossed.a, baud=baud, timeout_ns=1_000_000_000)
        assert_platform_reads_table(link, framing)
