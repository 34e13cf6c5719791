"""Port numbers of network links."""

from __future__ import annotations

#: Of an address that names none.
MODBUS_PORT = 502


def host_port(host: str, port: int) -> str:
    """As a configuration has it: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
