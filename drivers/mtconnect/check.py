"""What is wrong with a device's configuration, told without its agent."""

from __future__ import annotations

from collections.abc import Sequence

from drivers.api import DeviceSpec, Problem
from drivers.host.values import TYPES
from drivers.mtconnect.address import AddressError, parse


def check_line(devices: Sequence[DeviceSpec]) -> list[tuple[DeviceSpec, Problem]]:
    """Machines of one link are behind one agent, or one adapter."""
    ours = [device for device in devices if device.driver == "mtconnect"]
    first = ours[0]
    args = {"other": first.name}
    return [
        (device, Problem(("framing",), "mtconnect.framings", args))
        for device in ours
        if (device.framing == "shdr") != (first.framing == "shdr")
    ]


def check(device: DeviceSpec) -> list[Problem]:
    """Everything that no agent could answer."""
    found: list[Problem] = []
    if device.link.type != "tcp":
        found.append(Problem(("link",), "mtconnect.link_type", {"type": device.link.type}))
    elif device.link.tls is not None:
        found.append(Problem(("link",), "mtconnect.no_tls"))
    if device.framing not in ("tcp", "rtu", "shdr"):
        found.append(Problem(("framing",), "mtconnect.framing", {"framing": device.framing}))
    for tag in device.tags:
        if tag.type not in TYPES:
            args: dict[str, str] = {"type": tag.type, "types": ", ".join(TYPES)}
            found.append(Problem(("tags", tag.name, "type"), "mtconnect.type", args))
        try:
            address = parse(tag.address)
        except AddressError as error:
            at = ("tags", tag.name, "address")
            found.append(Problem(at, error.message, {"text": error.text}))
            continue
        if address.equals is not None and tag.type != "bool":
            args = {"text": tag.address, "type": tag.type}
            found.append(Problem(("tags", tag.name, "type"), "mtconnect.equals_type", args))
        if address.aspect == "time" and tag.type != "int64":
            args = {"text": tag.address, "type": tag.type}
            found.append(Problem(("tags", tag.name, "type"), "mtconnect.time_type", args))
    return found
