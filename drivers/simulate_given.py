"""What `jiahe-sim` is given on its command line, as the simulators take it. Each raises
SimulatorError for what can't be.
"""

from __future__ import annotations

import ipaddress

from drivers.packets import packet
from drivers.simulate_said import SimulatorError


def packet_of(text: str) -> bytes:
    """What a DTU says, such as text:JX007 or hex:fe; none where nothing is given."""
    try:
        return packet(text) if text else b""
    except ValueError:
        raise SimulatorError("no_packet", text=text) from None


def numbers_of(text: str) -> list[int]:
    """ "1-4,9" in full."""
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise SimulatorError("units", text=text)
        numbers += range(int(first), int(last if dash else first) + 1)
    if not numbers or not all(0 <= number <= 255 for number in numbers):
        raise SimulatorError("units_range", text=text)
    return numbers


def address_of(text: str, allow_remote: bool) -> tuple[str, int]:
    """ADDRESS:PORT; beyond loopback only where that is allowed."""
    host, colon, port = text.rpartition(":")
    host = host.strip("[]")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise SimulatorError("no_address_port", text=text)
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise SimulatorError("no_ip", host=host) from None
    if not loopback and not allow_remote:
        raise SimulatorError("remote", host=host)
    return host, int(port)
