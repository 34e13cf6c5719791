"""Who may speak as whom: real certificates, real handshakes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from jiahe.ingest.v1 import ingest_pb2 as pb
from jiahe.ingest.v1 import ingest_pb2_grpc

from ingest import session
from ingest.certificates import Certificate
from ingest.server import IngestServicer
from ingest.stream import Stream
from tests.contract import receiver
from tests.contract.examples import EPOCH
from tests.contract.pki import Authority
from tests.contract.test_receiver_limits import HeldStore


def outcome(address: str, credentials: grpc.ChannelCredentials | None, gateway: str) -> str:
    """ "welcome", or the status that ended the stream."""

    async def speak() -> str:
        async with receiver.stream(address, credentials) as call:
            try:
                await call.write(receiver.hello(EPOCH, gateway))
                first = await call.read()
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                first = None  # the stream is dead; its code says why
            if isinstance(first, pb.StreamResponse):
                return str(first.WhichOneof("message"))
            return str((await call.code()).name)

    # gRPC says INTERNAL where the stream ended while Hello was written; the next attempt says why.
    said = (asyncio.run(speak()) for _ in range(5))
    return next((one for one in said if one != "INTERNAL"), "INTERNAL")


@pytest.mark.parametrize("in_san", [True, False])
def test_gateway_with_its_certificate_is_welcome_under_its_own_id_only(
    tmp_path: Path, in_san: bool
) -> None:
    authority = Authority(tmp_path / "pki")
    credentials = authority.gateway("jx-1", in_san=in_san)
    with receiver.serving(tmp_path / "store.db", *authority.receiver()) as (address, _):
        assert outcome(address, credentials, "jx-1") == "welcome"
        assert outcome(address, credentials, "jx-2") == "PERMISSION_DENIED"


def test_strangers_get_no_connection(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "pki"), Authority(tmp_path / "other", "other CA")
    own_ca = authority.ca.read_bytes()
    cert, key = other.issue("gateway", "jx-1", [])
    foreign = grpc.ssl_channel_credentials(own_ca, key.read_bytes(), cert.read_bytes())
    without = grpc.ssl_channel_credentials(own_ca)
    with receiver.serving(tmp_path / "store.db", *authority.receiver()) as (address, _):
        for credentials in (foreign, without, None):
            assert outcome(address, credentials, "jx-1") == "UNAVAILABLE"


def test_gateway_refuses_a_receiver_of_another_authority(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "pki"), Authority(tmp_path / "other", "other CA")
    with receiver.serving(tmp_path / "store.db", *other.receiver()) as (address, _):
        assert outcome(address, authority.gateway("jx-1"), "jx-1") == "UNAVAILABLE"


def test_receiver_whose_files_are_replaced_uses_the_new_ones_without_restart(
    tmp_path: Path,
) -> None:
    old, new = Authority(tmp_path / "pki"), Authority(tmp_path / "new", "new CA")
    options = old.receiver()
    with receiver.serving(tmp_path / "store.db", *options) as (address, _):
        assert outcome(address, old.gateway("jx-1"), "jx-1") == "welcome"
        cert, key = (Path(options[3]), Path(options[5]))
        _, new_ca, _, new_cert, _, new_key = new.receiver()
        for source, target in ((new_key, key), (new_cert, cert), (new_ca, old.ca)):
            Path(source).replace(target)
        new.ca = old.ca
        assert outcome(address, new.gateway("jx-1"), "jx-1") == "welcome"


@pytest.mark.parametrize(
    ("options", "status", "word"),
    [
        ((), 2, "--ca"),
        (("--insecure", "--ca", "x"), 2, "--insecure goes without"),
        (("--ca", "x", "--cert", "y", "--key", "z"), 1, "--key z"),
    ],
)
def test_serve_with_options_that_do_not_fit_says_so_and_starts_nothing(
    tmp_path: Path, options: tuple[str, ...], status: int, word: str
) -> None:
    store = tmp_path / "store.db"
    done = receiver.ingest(
        "serve", "--listen", "127.0.0.1:0", "--store", f"sqlite:{store}", *options
    )
    assert (done.returncode, word in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr
    assert not store.exists()


def test_insecure_on_an_address_of_the_network_is_refused(tmp_path: Path) -> None:
    for address in ("0.0.0.0:0", "192.0.2.1:0", "[::]:0", "ingest.example.cn:0"):
        done = receiver.ingest(
            "serve", "--listen", address, "--store", f"sqlite:{tmp_path / 's.db'}", "--insecure"
        )
        assert (done.returncode, "loopback" in done.stderr) == (2, True), done.stderr


def test_serve_with_files_that_do_not_fit_names_the_file(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    options = [Path(each) for each in authority.receiver()]
    other_cert, other_key = authority.issue("other", "other", [])
    broken = tmp_path / "broken.pem"
    lines = options[1].read_text(encoding="ascii").splitlines()
    broken.write_text("\n".join([*lines[:2], *lines[3:]]) + "\n", encoding="ascii")
    for position, file, words in (
        (5, other_key, f"--key {other_key} does not belong to --cert {options[3]}"),
        (3, other_cert, f"--key {options[5]} does not belong to --cert {other_cert}"),
        (1, broken, f"--ca {broken}"),
    ):
        chosen = [*options[:position], file, *options[position + 1 :]]
        done = receiver.ingest(
            "serve", "--listen", "127.0.0.1:0", "--store", f"sqlite:{tmp_path / 's.db'}", *chosen
        )
        assert (done.returncode, words in done.stderr) == (1, True), done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr


def test_certificate_whose_urn_stands_in_another_kind_of_name_is_not_that_gateway(
    tmp_path: Path,
) -> None:
    """field.md 6.11."""
    authority = Authority(tmp_path / "pki")
    cert, key = authority.issue("fake", "some box", [x509.DNSName("urn:jiahe:gateway:victim")])
    options = authority.receiver(usage=[ExtendedKeyUsageOID.SERVER_AUTH])
    with receiver.serving(tmp_path / "store.db", *options) as (address, _):
        fake = authority.credentials(cert, key)
        assert outcome(address, fake, "victim") == "PERMISSION_DENIED"


@pytest.mark.parametrize("usage", [[], [ExtendedKeyUsageOID.SERVER_AUTH]])
def test_the_receiver_s_own_certificate_is_no_gateway_s(
    tmp_path: Path, usage: list[x509.ObjectIdentifier]
) -> None:
    authority = Authority(tmp_path / "pki")
    options = authority.receiver(usage=usage)
    own = authority.credentials(options[3], options[5])
    with receiver.serving(tmp_path / "store.db", *options) as (address, _):
        assert outcome(address, own, "receiver") in ("PERMISSION_DENIED", "UNAVAILABLE")


def test_certificate_that_ends_soon_is_told_to_its_box(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    credentials = authority.gateway("jx-1", ends_in=timedelta(days=9, hours=1))

    async def told(address: str) -> pb.Notice:
        async with receiver.stream(address, credentials) as call:
            await call.write(receiver.hello(EPOCH, "jx-1"))
            assert (await receiver.answer(call)).HasField("welcome")
            await call.write(pb.StreamRequest(heartbeat=pb.Heartbeat(id=1)))
            while not (message := await receiver.answer(call)).HasField("notice"):
                await call.write(pb.StreamRequest(heartbeat=pb.Heartbeat(id=2)))
            return message.notice

    with receiver.serving(tmp_path / "store.db", *authority.receiver()) as (address, _):
        notice = asyncio.run(told(address))
    assert notice.kind == pb.NOTICE_KIND_CERTIFICATE_EXPIRES
    assert "in 9 days" in notice.detail


def test_stream_of_a_certificate_that_is_over_is_ended_with_words() -> None:
    """field.md 5.23: it lived when the stream was opened."""
    now = datetime(2026, 11, 1, tzinfo=UTC)
    certificate = Certificate("CN=jx-1", x509.Name([]), 1, now + timedelta(hours=1), True, b"")

    async def looked_at() -> list[object]:
        servicer = IngestServicer(HeldStore(), lambda: None)
        try:
            stream = Stream(servicer, "jx-1", "10.0.0.1:5", certificate)
            stream.session.state = "open"
            moments = (now, now, now + timedelta(hours=1))
            return [stream.check_certificate(moment) for moment in moments]
        finally:
            servicer.desk.close()

    notice, again, end = asyncio.run(looked_at())
    assert isinstance(notice, session.Send) and again is None
    assert isinstance(end, session.End)
    assert end.code == "UNAUTHENTICATED" and "CN=jx-1" in end.detail


def test_own_certificate_that_is_over_or_ends_soon_is_said_at_the_start(tmp_path: Path) -> None:
    """field.md 5.11."""
    authority = Authority(tmp_path / "pki")
    for days, words in ((-1, "expired on"), (9, "expires on")):
        options = authority.receiver(ends_in=timedelta(days=days, hours=1))
        with serving_with_log(tmp_path / "store.db", options) as (_, log):
            assert words in next(line for line in log if "own certificate" in line)


@contextlib.contextmanager
def serving_with_log(store: Path, options: tuple[str, ...]) -> Iterator[tuple[str, Iterator[str]]]:
    """(address, lines of the log) of a receiver."""
    with subprocess.Popen(
        [sys.executable, "-m", "ingest.main", "serve", "--listen", "127.0.0.1:0", "--json",
         "--store", f"sqlite:{store}", *options],
        cwd=receiver.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        try:
            yield json.loads(process.stdout.readline())["address"], iter(process.stderr)
        finally:
            process.terminate()
            process.communicate(timeout=30)


def test_refused_handshakes_are_one_line_each_with_who_and_why(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "pki"), Authority(tmp_path / "other", "other CA")
    foreign_cert, foreign_key = other.issue("gateway", "jx-1", [])
    expired = authority.gateway("jx-1", ends_in=timedelta(days=-1))
    strangers = [
        (authority.credentials(foreign_cert, foreign_key), "of another authority"),
        (grpc.ssl_channel_credentials(authority.ca.read_bytes()), "it showed no certificate"),
        (expired, "has expired"),
        (None, "does not speak TLS"),
    ]
    with serving_with_log(tmp_path / "store.db", authority.receiver()) as (address, log):
        for credentials, words in strangers:
            assert outcome(address, credentials, "jx-1") == "UNAVAILABLE"
            line = next(log)
            assert re.match(r"WARNING 127\.0\.0\.1:\d+: refused in its TLS handshake: ", line), line
            assert words in line
        named = address.replace("127.0.0.1", "localhost")
        assert outcome(named, authority.gateway("jx-1"), "jx-1") == "UNAVAILABLE"
        assert next(log).startswith("WARNING a box asks for the name localhost, which this")


def test_identity_behind_a_proxy_is_taken_only_from_the_header_that_is_named(
    tmp_path: Path,
) -> None:
    async def speak(address: str, metadata: tuple[tuple[str, str], ...]) -> str:
        async with grpc.aio.insecure_channel(address) as channel:
            stub = ingest_pb2_grpc.IngestServiceStub(channel)
            call = stub.Stream(metadata=metadata)
            await call.write(receiver.hello(EPOCH, "jx-1"))
            try:
                assert isinstance(await call.read(), pb.StreamResponse)
            except grpc.aio.AioRpcError as error:
                return str(error.code().name)
            return "welcome"

    options = ("--insecure", "--identity-header", "X-Gateway")
    with receiver.serving(tmp_path / "store.db", *options) as (address, _):
        for metadata, said in (
            ((("x-gateway", "jx-1"),), "welcome"),
            ((("x-gateway", "urn:jiahe:gateway:jx-1"),), "welcome"),
            ((("x-gateway", "jx-2"),), "PERMISSION_DENIED"),
            ((("x-other", "jx-1"),), "PERMISSION_DENIED"),
            ((), "PERMISSION_DENIED"),
        ):
            assert asyncio.run(speak(address, metadata)) == said, metadata
