"""Links that devices dial in to: where, and whether their first bytes tell them apart."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from drivers.api import LinkSpec
from gateway.config.check import Place
from gateway.config.problems import Located, Problems


def listen_address(text: str) -> tuple[str, int]:
    """Address and port of "0.0.0.0:6000" or "[::]:6000": our own, so no name. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdecimal()) or not 1 <= int(port) <= 65535:
        raise ValueError(text)
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    address = ipaddress.ip_address(bare)
    if (address.version == 6) != (bare != host):
        raise ValueError(text)
    return str(address), int(port)


def judge(links: Sequence[LinkSpec], places: Mapping[str, Place], problems: Problems) -> None:
    """Whether the first bytes of a connection always tell its link."""
    listening = [link for link in links if link.type == "listen"]
    for number, link in enumerate(listening):
        for other in listening[:number]:
            if problem := _against(link, other, places[link.name]):
                problems.append(problem)
                break


def _against(link: LinkSpec, other: LinkSpec, place: Place) -> Located | None:
    if link.tcp_port != other.tcp_port:
        return None
    if link.host != other.host:
        hosts = [ipaddress.ip_address(each.host) for each in (link, other)]
        if not any(host.is_unspecified for host in hosts):
            return None
        at = f"{other.host}:{other.tcp_port}"
        return (place / "listen").value_error("config.listen_twice", other=other.name, address=at)
    if not link.register:
        return place.error("config.register_missing", other=other.name)
    if not other.register:
        # Said once, where the packet is missing: of two links without, at the second.
        return (place / "listen").value_error("config.register_missing_there", other=other.name)
    if link.register.startswith(other.register) or other.register.startswith(link.register):
        return (place / "register").value_error("config.register_twice", other=other.name)
    return None
