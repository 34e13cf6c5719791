"""The whole chain: simulated controller, daemon, receiver, and the ledger over their three
books."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from ingest import audit
from ingest.server import Server
from ingest.stores.api import Outcomes, Put, PutBlocks
from ingest.stores.opening import connect_readonly
from ingest.stores.sqlite import SqliteStore
from tests.contract.receiver import ROOT
from tests.kit import ledger
from tests.kit.books import read_sampled, read_stored

MAP = '[tags]\ntemperature = { address = "holding:10", type = "int16" }\n'
CONFIG = """
version = 1
[gateway]
id = "gw-1"
site = "test"
control = "control.sock"
[platform]
address = "127.0.0.1:{platform}"
insecure = true
[buffer]
path = "buffer"
[links.cell]
type = "tcp"
address = "{controller}"
[devices.unit-1]
link = "cell"
driver = "modbus"
unit = 1
every = "10 ms"
[devices.unit-1.tags]
serial_number = {{ address = "holding:0", type = "uint32" }}
temperature = {{ address = "holding:10", type = "int16", scale = 0.1 }}
"""


class CountingStore(SqliteStore):
    """The real store; wakes the test when so many blocks came."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._left = 0
        self._enough = asyncio.Event()

    def put(self, item: Put) -> Future[Outcomes]:
        if isinstance(item, PutBlocks) and self._left > 0:
            self._left -= len(item.facts.blocks)
            if self._left <= 0:
                self._enough.set()
        return super().put(item)

    async def more_blocks(self, count: int) -> None:
        self._left = count
        self._enough.clear()
        await self._enough.wait()


@contextlib.contextmanager
def simulator(directory: Path) -> Iterator[str]:
    """The address of a controller that keeps its book in `sampled/`."""
    (directory / "sampled").mkdir()
    (directory / "map.toml").write_text(MAP)
    with subprocess.Popen(
        [sys.executable, "-m", "drivers.simulate", directory / "map.toml", "--tcp", "127.0.0.1:0",
         "--book", directory / "sampled" / "book", "--json"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        yield json.loads(process.stdout.readline())["tcp"][0]
        process.stdin.close()  # it ends, and writes its book, when nobody speaks to it
        assert process.wait(30) == 0


@contextlib.asynccontextmanager
async def daemon(config: Path, end: signal.Signals) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", "run", "--config", config,
        cwd=ROOT, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.send_signal(end)
        await process.wait()


async def run(directory: Path, controller: str) -> None:
    """Five blocks, a SIGKILL, five blocks of the next run, a clean stop."""
    store = CountingStore(directory / "store.db")
    server = Server(store)
    port = await server.start("127.0.0.1:0", None)
    config = directory / "gateway.toml"
    config.write_text(CONFIG.format(platform=port, controller=controller))
    try:
        for end in (signal.SIGKILL, signal.SIGTERM):
            async with daemon(config, end):
                await store.more_blocks(5)
    finally:
        await server.stop(5)
        store.close()


@pytest.mark.slow
def test_chain_when_the_daemon_is_killed_loses_nothing_but_what_a_gap_announces(
    tmp_path: Path,
) -> None:
    with simulator(tmp_path) as controller:
        asyncio.run(run(tmp_path, controller))
    report = ledger.check(
        read_sampled(tmp_path / "sampled"),
        read_stored(tmp_path / "store.db"),
        gap_ticks_max={"crash": 0, "overrun": 1000, "link_down": 100},
    )
    assert not report.violations, report.text()
    assert report.stored > 100
    assert report.missing == report.twice == 0
    sql = connect_readonly(tmp_path / "store.db")
    books = audit.epochs(sql)
    sql.close()
    assert [book["open"] for book in books] == [False, False]
    assert [book["missing"] + book["missing_blocks"] + book["twice"] for book in books] == [0, 0]
