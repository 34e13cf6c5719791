"""Certificate files as a technician meets them: missing, damaged, mixed up, expired, another's."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import TlsFiles
from gateway import openssl
from gateway.certificates import judge, parse
from gateway.config import load
from gateway.messages import remedy, text
from gateway.report.snapshot import Said
from gateway.uplink.credentials import Credentials
from tests.kit.authority import LOOPBACK, Authority, gateway_name

NOW = datetime.now(UTC)


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


def ids(files: TlsFiles, gateway: str = "", now: datetime = NOW) -> list[tuple[str, str]]:
    return [(fault.key, fault.said["id"]) for fault in judge(files, gateway, now)]


@pytest.mark.parametrize("names", [[gateway_name("gw-1"), LOOPBACK], []])
def test_files_when_all_is_right_then_nothing_is_said(
    ours: Authority, names: list[x509.GeneralName]
) -> None:
    files = ours.files("some box" if names else "gw-1", names)
    assert ids(files, "gw-1") == []
    assert ids(files, "gw-2") == [("cert", "certificate.other_gateway")]


@pytest.mark.parametrize("key", ["ca", "cert", "key"])
def test_file_when_missing_or_no_file_then_it_is_named(ours: Authority, key: str) -> None:
    files = ours.files("gw-1")
    path: Path = getattr(files, key)
    path.unlink()
    assert ids(files) == [(key, "certificate.missing")]
    path.mkdir()
    (fault,) = judge(files, "", NOW)
    assert fault.said["id"] == "certificate.unreadable" and fault.fatal
    said = text(fault.said["id"], "zh", **fault.said["args"])
    assert said == f"证书文件 {path} 读不了：是文件夹，不是文件"


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("ca", [("ca", "certificate.not_pem")]),
        ("cert", [("cert", "certificate.not_pem")]),
        ("key", [("key", "certificate.bad_key")]),
    ],
)
@pytest.mark.parametrize("damage", ["empty", "hello", "half", "der"])
def test_file_when_it_holds_no_pem_then_it_is_named(
    ours: Authority, key: str, wanted: list[tuple[str, str]], damage: str
) -> None:
    files = ours.files("gw-1")
    path: Path = getattr(files, key)
    whole = path.read_bytes()
    changed = {
        "empty": b"",
        "hello": b"hello\n",
        "half": whole[: len(whole) // 2],
        "der": b"\x30\x82\x01\x00" + bytes(200),
    }
    path.write_bytes(changed[damage])
    assert ids(files) == wanted


def test_key_when_of_another_certificate_then_both_files_are_named(ours: Authority) -> None:
    files = ours.files("gw-1")
    shutil.copy(ours.issue("other")[1], files.key)
    (fault,) = judge(files, "", NOW)
    said = text(fault.said["id"], "en", **fault.said["args"])
    assert said == f"{files.cert} and {files.key} are no pair" and fault.fatal


def test_key_when_not_ours_to_read_then_the_certificate_is_judged_all_the_same(
    ours: Authority,
) -> None:
    files = ours.files("gw-2")
    files.key.unlink()
    files.key.mkdir()
    assert ids(files, "gw-1") == [
        ("key", "certificate.unreadable"),
        ("cert", "certificate.other_gateway"),
    ]


@pytest.mark.parametrize(
    ("days", "wanted"),
    [
        (-11, "certificate.not_yet"),
        (-9, ""),
        (334, ""),
        (335.5, "certificate.soon"),
        (364.9, "certificate.soon"),
        (365.1, "certificate.expired"),
    ],
)
def test_certificate_when_its_dates_are_near_then_the_right_word(
    ours: Authority, days: float, wanted: str
) -> None:
    found = judge(ours.files("gw-1"), "", NOW + timedelta(days=days))
    assert [fault.said["id"] for fault in found] == [wanted][: bool(wanted)]
    assert not any(fault.fatal for fault in found)


def test_certificate_when_read_then_its_fields_are_those_of_another_reader(
    ours: Authority,
) -> None:
    names = [LOOPBACK, gateway_name("甲-1".encode("idna").decode()), x509.DNSName("a.example")]
    for chosen in (names, []):
        cert, _ = ours.issue("嘉禾 箱", chosen)
        theirs = x509.load_pem_x509_certificate(cert.read_bytes())
        mine = parse(ssl.PEM_cert_to_DER_cert(cert.read_text(encoding="ascii")))
        assert mine.not_before == theirs.not_valid_before_utc
        assert mine.not_after == theirs.not_valid_after_utc
        assert mine.common_name == "嘉禾 箱"
        assert list(mine.uris) == [name.value for name in chosen[1:2]]


def test_certificate_when_it_ends_after_2049_then_its_date_is_read_too(ours: Authority) -> None:
    cert, _ = ours.issue("gw-1", ends_in=timedelta(days=36500))
    theirs = x509.load_pem_x509_certificate(cert.read_bytes())
    mine = parse(ssl.PEM_cert_to_DER_cert(cert.read_text(encoding="ascii")))
    assert mine.not_after == theirs.not_valid_after_utc


def test_bytes_when_damaged_anywhere_then_a_value_error_or_a_certificate(tmp_path: Path) -> None:
    cert, _ = Authority(tmp_path, "ours").issue("gw-1", [gateway_name("gw-1")])
    der = ssl.PEM_cert_to_DER_cert(cert.read_text(encoding="ascii"))

    @given(st.integers(0, len(der) - 1), st.integers(0, 255), st.integers(0, len(der)))
    def damage(at: int, byte: int, cut: int) -> None:
        changed = bytearray(der)
        changed[at] = byte
        for data in (bytes(changed), bytes(changed[:cut]), os.urandom(at)):
            try:
                parse(data)
            except ValueError:
                continue

    damage()


CONFIG = """version = 1
[gateway]
id = "gw-1"
[platform]
address = "ingest.example.cn:8443"
ca = "ours-ca.pem"
cert = "{cert}"
key = "{key}"
[links.a]
type = "tcp"
address = "127.0.0.1:502"
[devices.b]
link = "a"
driver = "modbus"
profile = "delta-ms300"
every = "1 s"
"""


@pytest.mark.parametrize(
    ("owner", "wanted"),
    [("gw-1", []), ("gw-2", [("gw-2-ours.pem 是给 gw-2 的，不是 gw-1", 7)])],
)
def test_configuration_when_its_certificate_is_anothers_then_said_at_its_line(
    ours: Authority, tmp_path: Path, owner: str, wanted: list[tuple[str, int]]
) -> None:
    cert, key = ours.issue(owner)
    config = tmp_path / "gateway.toml"
    config.write_text(CONFIG.format(cert=cert.name, key=key.name), encoding="utf-8")
    loaded = load(config)
    assert loaded.config is not None, "the box samples all the same"
    said = [
        (text(p.id, "zh", **p.args).removeprefix(f"{tmp_path}/"), p.line)
        for p in loaded.problems
        if p.id.startswith("certificate.")
    ]
    assert said == wanted


@pytest.mark.timeout(30)
@pytest.mark.parametrize("key", ["ca", "cert", "key"])
@pytest.mark.parametrize("what", ["pipe", "device", "huge", "socket"])
def test_file_when_it_would_never_end_then_it_is_named(
    ours: Authority, key: str, what: str
) -> None:
    files = ours.files("gw-1")
    path: Path = getattr(files, key)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        if what == "pipe":
            os.mkfifo(path)
        elif what == "device":
            path.symlink_to("/dev/zero")
        elif what == "socket":
            listener.bind(str(path))
        else:
            with path.open("wb") as file:
                file.truncate(1 << 40)
        (fault,) = judge(files, "", NOW)
    assert (fault.key, fault.said["id"], fault.fatal) == (key, "certificate.unreadable", True)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("key", ["ca", "cert"])
@pytest.mark.parametrize(
    "text",
    [b"-----BEGIN CERTIFICATE-----\n" * 37_000, b"-----BEGIN CERTIFICATE-----\n" * 37_000
     + b"-----END CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n" * 40_000],
    ids=["begins", "begins and an end", "ends"],
)  # fmt: skip
def test_file_when_it_has_begins_without_end_then_no_pem_and_soon(
    ours: Authority, key: str, text: bytes
) -> None:
    files = ours.files("gw-1")
    getattr(files, key).write_bytes(text)
    assert ids(files) == [(key, "certificate.not_pem")]


@pytest.mark.parametrize(
    ("mode", "folder", "said"),
    [(0o644, 0o755, True), (0o604, 0o711, True), (0o640, 0o755, False), (0o600, 0o755, False),
     (0o644, 0o750, False), (0o644, 0o700, False)],
)  # fmt: skip
def test_key_when_every_user_may_read_it_then_said_and_used_all_the_same(
    mode: int, folder: int, said: bool
) -> None:
    pki = Path(tempfile.mkdtemp(prefix="jiahe-test-"))  # pytest's own are closed to others
    try:
        files = Authority(pki, "ours").files("gw-1")
        files.key.chmod(mode)
        pki.chmod(folder)
        faults = judge(files, "", NOW)
        assert [fault.said["id"] for fault in faults] == ["certificate.open_key"] * said
        assert not any(fault.fatal for fault in faults)
        if said:
            assert Credentials(files).warnings() == [faults[0].said], "jiahe status says so, too"
            command = text_of_remedy(faults[0].said)
            assert command == f"sudo chmod o-rwx {files.key}"
            subprocess.run(shlex.split(command)[1:], check=True)
            assert judge(files, "", NOW) == []
    finally:
        shutil.rmtree(pki)


def text_of_remedy(said: Said) -> str:
    return remedy(said["id"], "zh", **said["args"])


@pytest.mark.parametrize("key", ["ca", "cert", "key", ""])
def test_files_when_judged_by_another_process_then_the_same_is_found(
    ours: Authority, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ours.files("gw-1")
    shutil.copy(ours.issue("other")[1], files.key)
    if key:
        getattr(files, key).write_bytes(b"hello\n")
    missing = replace(files, ca=files.ca.with_name("没有.pem"))
    here = [judge(each, "gw-2", NOW) for each in (files, missing)]
    monkeypatch.setattr(openssl, "_left_out", True)
    assert [judge(each, "gw-2", NOW) for each in (files, missing)] == here
    shutil.copy(ours.issue("another")[1], files.key)  # what changes is asked about again
    monkeypatch.setattr(openssl, "_left_out", False)
    here = [judge(files, "", NOW)]
    monkeypatch.setattr(openssl, "_left_out", True)
    assert [judge(files, "", NOW)] == here


def test_files_when_no_process_can_be_started_to_judge_them_then_used_and_said(
    ours: Authority, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files = ours.files("gw-1")
    shutil.copy(ours.issue("other")[1], files.key)
    monkeypatch.setattr(openssl, "_left_out", True)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert judge(files, "gw-1", NOW) == []
    assert "unjudged" in caplog.text
    monkeypatch.undo()
    assert judge(files, "gw-1", NOW) != [], "it was no verdict to remember"
