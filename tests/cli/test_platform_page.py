"""What the pages for platform teams tell to type works as it stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import grpc
import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import certificates
from ingest.revoked import Revoked
from tests.contract import receiver
from tests.contract.test_receiver_tls import outcome

ROOT = Path(__file__).parents[2]
PAGES = ["docs/platform.md", "docs/platform.zh-CN.md"]


def _block(page: str, language: str, words: str) -> str:
    """The one fenced block of a page with `words` in it."""
    text = (ROOT / page).read_text("utf-8")
    blocks = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    (found,) = (block for block in blocks if words in block)
    return str(found)


def _certificates(folder: Path, page: str, **names: str) -> None:
    lines = _block(page, "sh", "openssl $SIGN")
    for name, value in names.items():
        lines = re.sub(rf"\b{name}=\S+", f"{name}={value}", lines)
    subprocess.run(["sh", "-euc", lines], cwd=folder, check=True, capture_output=True, timeout=60)


def test_certificates_when_made_as_the_page_says_then_the_receiver_knows_the_gateway(
    tmp_path: Path,
) -> None:
    _certificates(tmp_path, PAGES[0], ID="jx-1", HOST="localhost")
    files = [(tmp_path / name).read_bytes() for name in ("ca.pem", "gateway.key", "gateway.pem")]
    credentials = grpc.ssl_channel_credentials(*files)
    options = [
        part
        for name, file in {"ca": "ca.pem", "cert": "receiver.pem", "key": "receiver.key"}.items()
        for part in (f"--{name}", str(tmp_path / file))
    ]
    with receiver.serving(tmp_path / "store.db", *options) as (address, _):
        host = f"localhost:{address.rpartition(':')[2]}"
        assert outcome(host, credentials, "jx-1") == "welcome"
        assert outcome(host, credentials, "jx-2") == "PERMISSION_DENIED"


def test_revoked_when_made_as_the_page_says_then_the_gateway_is_kept_out(tmp_path: Path) -> None:
    _certificates(tmp_path, PAGES[0], ID="jx-1", HOST="localhost")
    shown = certificates.read((tmp_path / "gateway.pem").read_bytes())
    lines = _block(PAGES[0], "sh", "-gencrl")
    subprocess.run(["sh", "-euc", lines], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert Revoked(tmp_path / "crl.pem", tmp_path / "ca.pem").refuses(shown) is not None


def test_commands_when_in_two_languages_then_the_same() -> None:
    for language, words in (("sh", "openssl $SIGN"), ("sh", "-gencrl"), ("ini", "[Service]")):
        assert _block(PAGES[0], language, words) == _block(PAGES[1], language, words)


@pytest.mark.parametrize("page", PAGES)
def test_qualities_when_listed_then_all_of_them(page: str) -> None:
    names = {name.removeprefix("QUALITY_").lower() for name in pb.Quality.DESCRIPTOR.values_by_name}
    listed = re.findall(r"`((?:good|uncertain|bad_)\w*)`", (ROOT / page).read_text("utf-8"))
    assert set(listed) >= names - {"unspecified", "bad"}
    assert set(listed) - names <= {"uncertain_time"}


def test_unit_when_written_as_the_page_says_then_systemd_takes_it(tmp_path: Path) -> None:
    unit = tmp_path / "jiahe-ingest.service"
    program = shutil.which("true")
    text = _block(PAGES[0], "ini", "[Service]").replace("/opt/jiahe/bin/jiahe-ingest", str(program))
    unit.write_text(text, "utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "jiahe-ingest" not in done.stderr, done.stderr
