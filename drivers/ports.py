"""Addresses of network links, as they are written."""

from __future__ import annotations

import ipaddress

from drivers.api import LinkSpec


def host_port(host: str, port: int) -> str:
    """Host and port as a configuration has them: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def has_name(spec: LinkSpec) -> bool:
    """Whether the link's host must be looked up; an address is taken as it is, at once."""
    if spec.type in ("serial", "listen"):
        return False
    try:
        address = ipaddress.ip_address(spec.host)
    except ValueError:
        return True
    return address.version == 6 and address.scope_id is not None  # its interface may come later
