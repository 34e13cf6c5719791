"""`tls` of a link: what is refused, what is only warned of, and what the driver is told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from drivers.api import TlsFiles
from gateway.config import Loaded, load, render
from tests.kit.authority import Authority

HEAD = """\
version = 1
[gateway]
id = "box"
[platform]
address = "127.0.0.1:8443"
insecure = true
[links.plc9]
type = "{type}"
address = "192.168.10.30:802"
{tls}
[devices.press]
link = "plc9"
driver = "modbus"
{device}
[devices.press.tags]
t = {{ address = "holding:1", type = "int16", every = "1 s" }}
"""
WHOLE = 'tls = { ca = "pki/ca.pem", cert = "pki/box.pem", key = "pki/box.key" }'


def loaded(folder: Path, tls: str = WHOLE, kind: str = "tcp", device: str = "") -> Loaded:
    file = folder / "gateway.toml"
    file.write_text(HEAD.format(type=kind, tls=tls, device=device), "utf-8")
    return load(file)


def said(found: Loaded) -> list[tuple[int, int, str, str]]:
    return [(p.line, p.column, p.severity, p.id) for p in found.problems]


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    """Beside the configuration: ca.pem, box.pem and .key, and old.pem and .key, expired."""
    folder = tmp_path / "pki"
    folder.mkdir()
    authority = Authority(folder, "plant")
    authority.ca.rename(folder / "ca.pem")
    for name, days in (("box", 300), ("old", -1)):
        cert, key = authority.issue(name, (), ends_in=timedelta(days=days))
        cert.rename(folder / f"{name}.pem")
        key.rename(folder / f"{name}.key")
    return folder


def test_tls_when_whole_then_the_driver_gets_absolute_paths(tmp_path: Path, pki: Path) -> None:
    found = loaded(tmp_path)
    assert said(found) == [] and found.config is not None
    files = TlsFiles(pki / "ca.pem", pki / "box.pem", pki / "box.key")
    assert found.config.links[0].tls == found.config.devices[0].link.tls == files
    assert found.config.links[0].tcp_port == 802


@pytest.mark.parametrize(
    ("tls", "problems"),
    [
        ("tls = true", [(10, 7, "error", "config.wrong_type")]),
        (WHOLE.replace(", key", ", kay"), [(10, 50, "error", "config.unknown_key_near")]),
        ("tls = {}", [(10, 1, "error", "config.missing_inside")] * 3),
        (WHOLE.replace('"pki/ca.pem"', "1"), [(10, 14, "error", "config.wrong_type")]),
    ],
)  # fmt: skip
def test_tls_when_mistaken_then_all_is_said_at_its_place(
    tmp_path: Path, pki: Path, tls: str, problems: list[tuple[int, int, str, str]]
) -> None:
    found = loaded(tmp_path, tls)
    assert found.config is None
    assert said(found) == problems


@pytest.mark.parametrize(
    ("tls", "problem"),
    [
        (WHOLE.replace("ca.pem", "none.pem"), (14, "certificate.missing")),
        (WHOLE.replace("ca.pem", "box.key"), (14, "certificate.not_pem")),
        (WHOLE.replace("box.key", "old.key"), (35, "certificate.no_pair")),
        (WHOLE.replace("box.", "old."), (35, "certificate.expired")),
    ],
)
def test_files_of_a_link_when_they_can_t_be_used_then_warned_and_the_rest_is_read(
    tmp_path: Path, pki: Path, tls: str, problem: tuple[int, str]
) -> None:
    """As with [platform]: one controller's files must not keep the box from reading the others."""
    found = loaded(tmp_path, tls)
    assert found.config is not None
    assert said(found) == [(10, problem[0], "warning", problem[1])]
    assert all("?" not in render(each, lang) for each in found.problems for lang in ("zh", "en"))


@pytest.mark.parametrize(
    ("kind", "device", "problem"),
    [
        ("udp", "", (10, 1, "error", "config.wrong_kind_of_link")),
        ("tcp", 'framing = "rtu"', (14, 11, "error", "modbus.tls_framing")),
    ],
)
def test_tls_when_on_another_kind_of_wire_then_refused(
    tmp_path: Path, pki: Path, kind: str, device: str, problem: tuple[int, int, str, str]
) -> None:
    found = loaded(tmp_path, kind=kind, device=device)
    assert found.config is None and said(found) == [problem]
