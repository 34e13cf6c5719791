"""Addresses of network links, as they are written."""

from __future__ import annotations


def host_port(host: str, port: int) -> str:
    """As a configuration has it: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
