"""The fault tests can fail: real books of a short run, each spoilt in one way, are refused.

And the platform's half of "exactly once": blocks that come again are counted and stored once.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import audit
from ingest.stores.opening import connect_readonly
from tests.contract.encode import crc32c
from tests.contract.receiver import acked, answer, hello, stream
from tests.kit.books import read_sampled, read_stored
from tests.kit.factory import GATEWAY, Factory
from tests.kit.ledger import Report, check
from tests.kit.short import short_reader

pytestmark = pytest.mark.slow


#: The first payload of a block with scans, but block 1, that came alone.
ALONE = (
    "(SELECT payload FROM blocks JOIN payloads p USING (payload)"
    " WHERE scans > 0 AND seq > 1 AND blocks = 0 ORDER BY p.epoch, seq LIMIT 1)"
)


@dataclass(frozen=True, slots=True)
class Run:
    """A run of two epochs with a crash between them, settled without a complaint."""

    factory: Factory
    store: Path

    def spoilt(self, folder: Path, *statements: str) -> Path:
        """A copy of the store, after these statements of SQL."""
        copy = folder / "store.db"
        shutil.copy(self.store, copy)
        with closing(sqlite3.connect(copy)) as sql:
            for statement in statements:
                changed = sql.execute(statement).rowcount
                assert changed, f"nothing to spoil: {statement}"
            sql.commit()
        return copy

    def check(self, store: Path) -> Report:
        return check(read_sampled(self.factory.sampled), read_stored(store))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with Factory(tmp_path_factory.mktemp("books") / "factory") as factory:
        factory.start()
        factory.wait_acked(200)
        factory.crash()
        factory.start()
        factory.wait_acked(200)
        assert factory.stop_daemon() == 0
        factory.settle()
        assert factory.stop_receiver() == 0  # its store is one file now
        yield Run(factory, factory.store)


def test_ledger_when_a_block_was_deleted_then_it_is_missing(run: Run, tmp_path: Path) -> None:
    store = run.spoilt(
        tmp_path,
        f"DELETE FROM runs WHERE payload = {ALONE}",
        f"DELETE FROM blocks WHERE payload = {ALONE}",
    )
    report = run.check(store)
    assert report.missing > 0
    assert any(violation.startswith("I1") for violation in report.violations)
    assert any(violation.startswith("I5") for violation in report.violations)


def test_ledger_when_a_block_is_stored_under_two_names_then_it_is_twice(
    run: Run, tmp_path: Path
) -> None:
    store = run.spoilt(
        tmp_path,
        "INSERT INTO payloads SELECT NULL, gateway, epoch, first_seq + 1000, blocks, compression,"
        f" size, content, received_utc_ns FROM payloads WHERE payload = {ALONE}",
        "INSERT INTO blocks SELECT gateway, epoch, seq + 1000, (SELECT max(payload) FROM payloads),"
        " place, catalog_revision, check_byte, payload_crc32c, scans, samples, lane"
        f" FROM blocks WHERE payload = {ALONE}",
    )
    report = run.check(store)
    assert report.twice > 0
    assert any(violation.startswith("I2") for violation in report.violations)


def test_ledger_when_a_gap_covers_what_is_stored_then_it_lies(run: Run, tmp_path: Path) -> None:
    store = run.spoilt(tmp_path, "UPDATE gaps SET after_seq = after_seq - 1 WHERE count_unknown")
    assert any(violation.startswith("I3") for violation in run.check(store).violations)


def test_allowance_when_a_crash_gap_is_a_second_too_wide_then_it_is_refused(
    run: Run, tmp_path: Path
) -> None:
    store = run.spoilt(
        tmp_path, "UPDATE gaps SET until_ns = until_ns + 1000000000 WHERE count_unknown"
    )
    assert len(run.factory.wide_gaps(read_stored(store))) == 3


def sent(sql: sqlite3.Connection) -> tuple[pb.StreamRequest, list[pb.StreamRequest], set[int]]:
    """The Hello of the only run, what it sent of blocks, and the seqs of those."""
    epoch, boot_id, machine, installation, name = sql.execute(
        "SELECT epoch, boot_id, machine, installation, catalog FROM epochs JOIN catalogs"
        " USING (gateway, epoch)"
    ).fetchone()
    greeting = hello(
        epoch, GATEWAY, boot_id, machine=machine, installation=installation, catalogs=(name,)
    )
    requests, seqs = [], set()
    for number, first_seq, blocks, compression, size, content in sql.execute(
        "SELECT payload, first_seq, blocks, compression, size, content FROM payloads"
    ).fetchall():
        named = sql.execute(
            "SELECT seq, check_byte, scans, samples FROM blocks WHERE payload = ? ORDER BY place",
            (number,),
        ).fetchall()
        seqs |= {seq for seq, *_ in named}
        kind = pb.Compression.ValueType(compression)
        plain = short_reader().UNPACK[compression](content)
        assert len(plain) == size
        head = {
            "epoch": epoch, "catalog_revision": 1, "compression": kind, "payload_size": size,
            "payload_crc32c": crc32c(plain), "payload": content, "lane": pb.LANE_BACKFILL,
            "scans": sum(one[2] for one in named), "samples": sum(one[3] for one in named),
        }  # fmt: skip
        if blocks:
            checks = bytes(one[1] for one in named)
            bundle = pb.Bundle(**head, first_seq=first_seq, block_checks=checks)
            requests.append(pb.StreamRequest(bundle=bundle))
        else:
            requests.append(pb.StreamRequest(block=pb.Block(**head, seq=first_seq)))
    return greeting, requests, seqs


async def send_again(factory: Factory) -> int:
    """Every stored block twice more, as if no acknowledgement had come; how many that were."""
    with closing(connect_readonly(factory.store)) as sql:
        greeting, requests, seqs = sent(sql)
    pki = factory.folder / "pki"
    ca, key, cert = ((pki / name).read_bytes() for name in ("ca.pem", "box.key", "box.pem"))
    credentials = grpc.ssl_channel_credentials(ca, key, cert)
    async with stream(f"127.0.0.1:{factory.relay.port}", credentials) as call:
        await call.write(greeting)
        welcome = (await answer(call)).welcome
        assert welcome.held[0].closed and welcome.held[0].catalog_revision == 1
        for _ in range(2):
            for request in requests:
                await call.write(request)
            await acked(call, seqs)
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.OK
    return 2 * len(seqs)


def test_block_when_sent_again_twice_then_its_repeats_are_counted_and_it_is_stored_once(
    tmp_path: Path,
) -> None:
    with Factory(tmp_path / "factory") as factory:
        factory.start()
        factory.wait_acked(100)
        assert factory.stop_daemon() == 0
        repeats = asyncio.run(send_again(factory))
        factory.settle()
        with closing(connect_readonly(factory.store)) as sql:
            (book,) = audit.epochs(sql)
        assert book["duplicates"] == repeats > 2
