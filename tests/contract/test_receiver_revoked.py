"""Certificates that their authority took back: `jiahe-ingest serve --crl`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import certificates
from ingest.revoked import Revoked
from ingest.tls import TlsError
from tests.contract import receiver
from tests.contract.examples import EPOCH
from tests.contract.pki import Authority
from tests.contract.test_receiver_tls import outcome, serving_with_log


def gateway(authority: Authority, name: str) -> tuple[Path, grpc.ChannelCredentials]:
    """A gateway's certificate, and what it connects with."""
    uri = x509.UniformResourceIdentifier(f"urn:jiahe:gateway:{name}")
    cert, key = authority.issue(name, "some box", [uri])
    return cert, authority.credentials(cert, key)


def test_revoked_when_the_list_names_a_certificate_then_only_its_box_is_refused(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path / "pki")
    stolen, thief = gateway(authority, "jx-1")
    _, honest = gateway(authority, "jx-2")
    crl = authority.revoke(tmp_path / "crl.pem", stolen)
    options = (*authority.receiver(), "--crl", str(crl))
    with serving_with_log(tmp_path / "store.db", options) as (address, log):
        assert outcome(address, thief, "jx-1") == "UNAUTHENTICATED"
        assert "CN=some box" in (line := next(log)) and "was revoked" in line
        assert outcome(address, honest, "jx-2") == "welcome"


def test_revoked_when_the_list_changes_under_a_stream_then_the_stream_ends_and_may_come_back(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path / "pki")
    cert, credentials = gateway(authority, "jx-1")
    crl = authority.revoke(tmp_path / "crl.pem")

    async def lives(address: str) -> tuple[grpc.StatusCode, str]:
        async with receiver.stream(address, credentials) as call:
            await call.write(receiver.hello(EPOCH, "jx-1"))
            assert (await receiver.answer(call)).HasField("welcome")
            authority.revoke(crl, cert)
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await call.write(pb.StreamRequest(heartbeat=pb.Heartbeat(id=1)))
                for _ in range(2):  # the answer first
                    await call.read()
            return ended.value.code(), ended.value.details() or ""

    options = (*authority.receiver(), "--crl", str(crl))
    with receiver.serving(tmp_path / "store.db", *options) as (address, _):
        code, details = asyncio.run(lives(address))
        for _ in range(4):
            if code is grpc.StatusCode.INTERNAL:  # the stream ended while the heartbeat was written
                authority.revoke(crl)
                code, details = asyncio.run(lives(address))
        assert code is grpc.StatusCode.UNAUTHENTICATED and "enroll the box again" in details
        assert outcome(address, credentials, "jx-1") == "UNAUTHENTICATED"
        authority.revoke(crl)
        assert outcome(address, credentials, "jx-1") == "welcome"


def test_revoked_when_the_new_file_can_not_be_used_then_the_last_list_stays_in_force(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path / "pki")
    cert, _ = gateway(authority, "jx-1")
    shown = certificates.read(cert.read_bytes())
    crl = authority.revoke(tmp_path / "crl.pem", cert)
    revoked = Revoked(crl, authority.ca)
    crl.write_bytes(crl.read_bytes()[:-200])
    assert revoked.refuses(shown) is not None
    crl.unlink()
    assert revoked.refuses(shown) is not None
    assert revoked.refuses(shown) is not None
    said = [record.message for record in caplog.records]
    assert len(said) == 2 and all("the last lists stay in force" in words for words in said)


def test_revoked_when_two_authorities_give_a_list_each_then_both_count(tmp_path: Path) -> None:
    authorities = [Authority(tmp_path / name, name) for name in ("one", "two")]
    certs = [gateway(authority, "jx-1")[0] for authority in authorities]
    both = tmp_path / "both.pem"
    both.write_bytes(
        b"".join(
            authority.revoke(tmp_path / f"{number}.pem", cert).read_bytes()
            for number, (authority, cert) in enumerate(zip(authorities, certs, strict=True))
        )
    )
    ca = tmp_path / "ca.pem"
    ca.write_bytes(b"".join(authority.ca.read_bytes() for authority in authorities))
    revoked = Revoked(both, ca)
    assert all(revoked.refuses(certificates.read(cert.read_bytes())) for cert in certs)
    # A number says nothing without its authority.
    crossed = authorities[0].revoke(tmp_path / "crossed.pem", certs[1])
    assert Revoked(crossed, ca).refuses(certificates.read(certs[1].read_bytes())) is None


def test_revoked_when_the_list_is_late_then_it_stays_in_force_and_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path / "pki")
    cert, _ = gateway(authority, "jx-1")
    crl = authority.revoke(tmp_path / "crl.pem", cert, until=timedelta(days=-3))
    revoked = Revoked(crl, authority.ca)
    revoked.say_late(datetime.now(UTC))
    assert "was to be replaced by" in caplog.text and "fetch the new one" in caplog.text
    assert revoked.refuses(certificates.read(cert.read_bytes())) is not None


def test_revoked_when_the_file_is_none_of_ours_then_the_receiver_does_not_start(
    tmp_path: Path,
) -> None:
    authority, other = Authority(tmp_path / "pki"), Authority(tmp_path / "other", "other CA")
    crl = authority.revoke(tmp_path / "crl.pem")
    der = tmp_path / "crl.der"
    loaded = x509.load_pem_x509_crl(crl.read_bytes())
    der.write_bytes(loaded.public_bytes(serialization.Encoding.DER))
    same_name = Authority(tmp_path / "same").revoke(tmp_path / "same.pem")
    cases = {
        tmp_path / "none.pem": "No such file",
        der: "openssl crl -inform DER",
        other.revoke(tmp_path / "other.pem"): "the list of CN=other CA is signed by no certificate",
        same_name: "is signed by no certificate",
    }
    for file, words in cases.items():
        with pytest.raises(TlsError, match=words):
            Revoked(file, authority.ca)
    started = ("serve", "--listen", "127.0.0.1:0", "--store", f"sqlite:{tmp_path / 's.db'}")
    done = receiver.ingest(*started, *authority.receiver(), "--crl", der)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    done = receiver.ingest(*started, "--insecure", "--crl", crl)
    assert (done.returncode, "--crl goes with --ca" in done.stderr) == (2, True), done.stderr
