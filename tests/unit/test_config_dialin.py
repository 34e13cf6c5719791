"""Links that devices dial in to: what the files give the drivers."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.packets import packet, shown
from gateway.config import load
from gateway.config.dialin import listen_address
from tests.unit.test_config import HEAD, errors, write

LINKS = """\
[links.dtu-7]
type = "listen"
listen = "0.0.0.0:6000"
register = "hex:4a 58 30"
heartbeat = "hex:FE"
[links.dtu-8]
type = "listen"
listen = "[::1]:6001"
[links.dtu-9]
type = "listen"
listen = "0.0.0.0:6000"
register = "text:七号\\r\\n"
timeout = "5 s"
"""
DEVICE = """\
[devices.{name}]
link = "{name}"
driver = "modbus"
unit = 1
every = "1 s"
{more}tags = {{ x = {{ address = "holding:0", type = "int16" }} }}
"""


def test_links_when_devices_dial_in_then_packets_are_bytes_and_patience_is_longer(
    tmp_path: Path,
) -> None:
    devices = "".join(
        DEVICE.format(name=f"dtu-{n}", more='framing = "tcp"\n' if n == 9 else "")
        for n in (7, 8, 9)
    )
    loaded = load(write(tmp_path, HEAD + LINKS + devices))
    assert errors(loaded) == []
    assert loaded.config is not None
    seven, eight, nine = loaded.config.links[1:]
    assert (seven.host, seven.tcp_port) == ("0.0.0.0", 6000)
    assert (seven.register, seven.heartbeat) == (b"JX0", b"\xfe")
    assert (eight.host, eight.tcp_port, eight.register) == ("::1", 6001, b"")
    assert nine.register == "七号\r\n".encode()
    assert [link.timeout_ns for link in (seven, eight, nine)] == [3 * 10**9, 3 * 10**9, 5 * 10**9]
    assert [device.framing for device in loaded.config.devices] == ["rtu", "rtu", "tcp"]


@pytest.mark.parametrize(
    "text", ["", "hex", "hex:", "text:", "hex:4", "hex:0x4a", "JX", "text：JX", "text:" + 65 * "x"]
)
def test_packet_when_it_makes_no_sense_then_refused(text: str) -> None:
    with pytest.raises(ValueError):
        packet(text)


@pytest.mark.parametrize(
    "text",
    ["", "6000", ":6000", "box:6000", "1.2.3.4", "1.2.3.4:0", "1.2.3:1", "::1:6000", "[::1]"],
)
def test_address_to_listen_on_when_it_makes_no_sense_then_refused(text: str) -> None:
    with pytest.raises(ValueError):
        listen_address(text)


@pytest.mark.parametrize("text", ["text:JX007", "hex:fe", "hex:4a580d0a", "text: ", "hex:e4b8"])
def test_packet_when_shown_then_as_it_is_written(text: str) -> None:
    assert shown(packet(text)) == text
