"""Documents that an independent agent makes (PyPI mtconnect): no nextSequence in its header, boxes
of other names, error codes of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest

from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.mtconnect import DRIVER
from tests.fault.test_host_process import wait_until

DEVICES = """<Devices><Device id="d1" name="VMC" uuid="u1">
<DataItems><DataItem id="avail" name="avail" type="AVAILABILITY" category="EVENT"/></DataItems>
<Components><Controller id="cn1" name="controller"><DataItems>
<DataItem id="exec" name="execution" type="EXECUTION" category="EVENT"/></DataItems></Controller>
<Linear id="x1" name="X"><DataItems>
<DataItem id="xp" name="Xact" type="POSITION" category="SAMPLE"/></DataItems></Linear></Components>
</Device></Devices>"""


class _Element(ElementTree.Element):
    """As in the Python that the package was written for."""

    def getchildren(self) -> list[ElementTree.Element]:
        return list(self)


class _Trees:
    @staticmethod
    def parse(file: str) -> Any:
        builder = ElementTree.TreeBuilder(element_factory=_Element)
        return ElementTree.parse(file, ElementTree.XMLParser(target=builder))


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, int]]:
    import mtconnect.xmlhelper
    from mtconnect.agent import MTConnect

    monkeypatch.setattr(mtconnect.xmlhelper, "ElementTree", _Trees)
    file = tmp_path / "device.xml"
    file.write_text(DEVICES, "utf-8")
    made = MTConnect(str(file), "http://127.0.0.1")
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked = {key: int(value[0]) for key, value in parse_qs(url.query).items()}
            with lock:
                if url.path == "/probe":
                    said = made.probe()
                elif url.path == "/current":
                    said = made.current()
                else:
                    said = made.sample(start=asked.get("from"), count=asked.get("count"))
            body = said.get_xml().encode()
            self.send_response(said.get_status())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is said of single requests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        yield made, server.server_address[1]
        server.shutdown()
        serving.join()


def test_values_when_a_foreign_agent_changes_them_then_read(agent: tuple[Any, int]) -> None:
    foreign, port = agent
    tags = tuple(
        TagSpec(name, address, kind, 50_000_000, length=16 if kind == "string" else 0)  # type: ignore[arg-type]
        for name, address, kind in [
            ("x", "Xact", "float64"), ("run", "execution", "string"),
            ("on", "avail=AVAILABLE", "bool"),
        ]
    )  # fmt: skip
    link = LinkSpec("cell", "tcp", host="127.0.0.1", tcp_port=port)
    device = DeviceSpec("lathe", link, "mtconnect", tags)
    made = DRIVER.open([(link, [DRIVER.plan(device)])], 0, {})
    (runner,) = made.runners
    reading = threading.Thread(target=runner.run)
    reading.start()

    def rows() -> dict[str, tuple[Any, int]]:
        return {row["tag"].name: (row["raw"], row["quality"]) for row in made.latest("lathe")}

    try:
        wait_until(lambda: {quality for _, quality in rows().values()} == {139})
        for item, value in (("xp", 12.345), ("exec", "ACTIVE"), ("avail", "AVAILABLE")):
            foreign.push_data(item, value)
        wait_until(lambda: rows() == {"x": (12.345, 1), "run": (b"ACTIVE", 1), "on": (True, 1)})
        for i in range(20):
            foreign.push_data("xp", i)
        wait_until(lambda: rows()["x"] == (19.0, 1))
        (told,) = runner.links()
        assert (told["state"], told["damaged"], told["reconnects"]) == ("up", 0, 0)
        assert told["requests"] < 400, "asked at its pace, not in a loop"
    finally:
        runner.stop()
        reading.join(10)
