"""The whole daemon with an encrypted link and an encrypted uplink: OpenSSL beside gRPC's BoringSSL
in one process, and certificate files that change while it runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.api import TlsFiles
from tests.cli.daemon import jiahe
from tests.kit.authority import Authority
from tests.kit.rig import Rig, wait_for

_PRESS = """\
[links.press]
type    = "tcp"
address = "{press}"
{tls}
[devices.press]
link   = "press"
driver = "modbus"
every  = "50 ms"
tags   = {{ t = {{ address = "holding:0", type = "uint32" }} }}
"""


def started(rig: Rig, folder: Path, *, secured: bool) -> TlsFiles:
    """The daemon, once a sample of the press is at the platform."""
    plant = Authority(folder, "plant")
    plc, ours = plant.files("plc"), plant.files("gateway", ())
    made = folder / "map.toml"
    made.write_text('[tags]\nt = { address = "holding:2", type = "int16" }\n')
    how = ("--tls", str(plc.cert), str(plc.key), str(plc.ca)) if secured else ()
    press = rig.simulate("press", str(made), "--counter", "holding:0", *how)
    tls = f'tls = {{ ca = "{ours.ca}", cert = "{ours.cert}", key = "{ours.key}" }}'
    text = rig.head() + _PRESS.format(press=press, tls=tls if secured else "")
    rig.config.write_text(text, "utf-8")
    rig.start_daemon()
    wait_for("samples at the platform", lambda: acked(rig) > 0)
    return ours


def acked(rig: Rig) -> int:
    found = rig.status()
    return int(found["counters"]["acked_scans"]) if found else 0


def link(rig: Rig) -> dict[str, Any]:
    found = rig.status()
    assert found is not None
    return dict(found["links"][0])


@pytest.mark.parametrize("secured", [True, False], ids=["encrypted", "plain"])
def test_daemon_when_a_link_is_encrypted_loads_openssl_beside_grpc_and_else_never(
    tmp_path: Path, secured: bool
) -> None:
    with Rig(tmp_path / "rig", "tls-box") as rig:
        started(rig, tmp_path, secured=secured)
        assert rig.daemon is not None
        maps = Path(f"/proc/{rig.daemon.pid}/maps").read_text()
        shown = jiahe("links", "-v", "--config", rig.config).stdout
        told = json.loads(jiahe("links", "--json", "--config", rig.config).stdout)[0]["tls"]
        assert rig.stop_daemon() == 0
    assert "cygrpc" in maps
    assert ("native/wire/tls." in maps) == secured
    assert ("encrypted: TLSv1.3, " in shown and "CN=plc" in shown) == secured
    assert (told is not None and told["peer"] == "CN=plc") == secured


def test_certificate_files_of_a_link_when_spoilt_are_warned_of_and_the_old_ones_serve(
    tmp_path: Path,
) -> None:
    with Rig(tmp_path / "rig", "tls-box") as rig:
        ours = started(rig, tmp_path, secured=True)
        key = ours.key.read_bytes()
        ours.key.write_bytes(b"no key")
        wait_for("the spoilt file to be seen", lambda: not link(rig)["tls"]["files_usable"])
        shown = jiahe("links", "--config", rig.config).stdout
        assert "its certificate files changed and cannot be used" in shown
        before = acked(rig)
        wait_for("more samples", lambda: acked(rig) > before + 20)
        ours.key.write_bytes(key)
        wait_for("the mended file to be seen", lambda: link(rig)["tls"]["files_usable"])
        assert link(rig)["state"] == "up"
        assert rig.stop_daemon() == 0


@pytest.mark.parametrize("secured", [False, True])
def test_daemon_loads_openssl_only_where_a_link_wants_it(tmp_path: Path, secured: bool) -> None:
    """It is a tenth of the memory of a small box; the uplink's TLS is gRPC's own."""
    with Rig(tmp_path / "run", "tls-box") as rig:
        started(rig, tmp_path, secured=secured)
        assert rig.daemon is not None
        maps = Path(f"/proc/{rig.daemon.pid}/maps").read_text()
        assert ("libcrypto" in maps) == secured
        assert rig.stop_daemon() == 0
