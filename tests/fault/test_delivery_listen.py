"""The whole chain with machines behind 4G DTUs: jiahe-sim --dial, jiahe run, jiahe-ingest."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.dtu import free_port
from tests.kit.factory import DEVICE, MAP, PERIOD_NS, Factory, resources
from tests.kit.rig import wait_for

pytestmark = pytest.mark.slow

#: Name of a machine, and the registration of its DTU: both on one port.
DTUS = {"cnc": "text:JX007", "meter": "hex:4a58303038"}
_LINK = """
[links.{name}]
type      = "listen"
listen    = "127.0.0.1:{port}"
register  = "{register}"
heartbeat = "hex:fe"
"""


class Dialled(Factory):
    """Two machines of the factory, each behind a DTU."""

    def _set_up(self) -> None:
        made = self.folder / "map.toml"
        made.write_text(MAP)
        self.port = free_port()
        text = self.head()
        for name, register in DTUS.items():
            self.simulate(
                # So fast a bus that no heartbeat falls into an answer: none is asked for twice.
                name, str(made), "--counter", "holding:0", "--baud", "1000000",
                "--register", register, "--heartbeat", "hex:fe", "--heartbeat-every", "0.05",
                dial=f"127.0.0.1:{self.port}",
            )  # fmt: skip
            every_ms = PERIOD_NS[name] // 1_000_000
            text += _LINK.format(name=name, port=self.port, register=register)
            text += DEVICE.format(name=name, link=name, every_ms=every_ms)
        self.config.write_text(text, encoding="utf-8")

    def link(self, name: str) -> dict[str, Any]:
        return next(link for link in self.told()["links"] if link["name"] == name)


@pytest.fixture
def dialled(tmp_path: Path) -> Iterator[Dialled]:
    with Dialled(tmp_path / "factory") as made:
        yield made


def test_machines_behind_dtus_when_the_box_starts_twice_then_nothing_is_missing_or_wrong(
    dialled: Dialled,
) -> None:
    for _ in range(2):
        dialled.start()
        for name in DTUS:
            wait_for(name, lambda name=name: dialled.link(name)["state"] == "up")  # type: ignore[misc]
        before = resources(dialled.told()["pid"])
        with socket.create_connection(("127.0.0.1", dialled.port)) as stranger:
            stranger.sendall(b"JX009")
            wait_for("the stranger", lambda: dialled.link("cnc")["dialled"]["refused"] > 0)
        dialled.run_for(3.0)
        dialled.wait_acked(40)
        assert resources(dialled.told()["pid"]).descriptors <= before.descriptors + 2
        for name, register in DTUS.items():
            said = dialled.link(name)["dialled"]
            assert said["register"] == {"cnc": register, "meter": "text:JX008"}[name]
            assert said["heartbeats"] > 10 and said["peer"].startswith("127.0.0.1:")
            assert said["stranger"]["said"] == "text:JX009"
        dialled.wait_drained()
        assert dialled.stop_daemon() == 0
    report, _ = dialled.settle()
    assert report.stored > 60
