"""Who may speak as whom: real certificates, real handshakes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.contract import receiver
from tests.contract.examples import EPOCH
from tests.contract.pki import Authority


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

    return asyncio.run(speak())


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
