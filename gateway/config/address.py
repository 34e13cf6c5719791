"""A host and its port as they are written in one text, and what is wrong with one that is none."""

from __future__ import annotations

import ipaddress
import re

from drivers.ports import host_port

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_ZONE = re.compile(r"[A-Za-z0-9_.@-]{1,15}")
_NAME_MAX = 253


class AddressError(ValueError):
    """`why`: the id of a message; `args`: its arguments, and `meant`, what may have been meant."""

    def __init__(self, why: str, meant: str = "", **args: object) -> None:
        super().__init__(why)
        self.why, self.meant, self.arguments = why, meant, args

    def said(self) -> dict[str, object]:
        """The error as an argument of another message."""
        return {"id": self.why, "args": self.arguments}


def split_address(text: str, default_port: int | None = None) -> tuple[str, int]:
    """Host and port of "host:port", "[v6]:port" or, with a default, "host"; a default of 0: none
    was written. Raises AddressError.
    """
    rest = text.strip().rpartition("://")[2]
    if "/" in text:
        meant = rest.partition("/")[0]
        raise AddressError("config.address_scheme", meant)
    if apart := re.fullmatch(r"([A-Za-z0-9._-]+)[,，;；\s]+([0-9]{1,5})", rest):
        typed = f"{apart[1]}:{apart[2]}" if _is_port(apart[2]) else ""
        raise AddressError("config.address_name", typed, host=rest)
    host, port_text = _parted(rest, default_port)
    port = _port(host, port_text, default_port)
    bare, zone_mark, zone = host.partition("%")
    if ":" in bare:
        return _six(bare, zone if zone_mark else None, port), port
    if re.fullmatch(r"[0-9.]+", host):
        return _four(host, port), port
    labels = host.removesuffix(".").split(".")
    if len(host) > _NAME_MAX or not all(map(_LABEL.fullmatch, labels)):
        kept = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._-]+", "-", host)).strip("-.")
        raise AddressError("config.address_name", as_written(kept, port) if kept else "", host=host)
    return host, port


def _parted(text: str, default_port: int | None) -> tuple[str, str]:
    """The host, without brackets, and the text of the port."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise AddressError(
                "config.address_brackets", as_written(host.rstrip(":"), default_port)
            )
        return host, rest.removeprefix(":") if rest != ":" else " "
    if text.count(":") > 1:
        raise _bare_six(text, default_port)
    host, colon, port = text.partition(":")
    return host, port or (" " if colon else "")


def _bare_six(text: str, default_port: int | None) -> AddressError:
    """What is said of an IPv6 address without its brackets, or of too many colons."""
    host, _, port = text.rpartition(":")
    for one, its in ((text, default_port), (host, port)):
        try:
            ipaddress.IPv6Address(one.partition("%")[0])
        except ValueError:
            continue
        return AddressError("config.address_brackets", _zoned(one, its))
    return AddressError("config.address_colons", text.partition(":")[0] + ":" + text.split(":")[1])


def _zoned(host: str, port: int | str | None) -> str:
    bare, mark, zone = host.partition("%")
    needs = ipaddress.IPv6Address(bare).is_link_local and not mark
    return as_written(bare + ("%eth0" if needs else mark + zone), port)


def as_written(host: str, port: int | str | None) -> str:
    """The address as people write it, without a port where none is needed."""
    return host_port(host, int(port)) if port else f"[{host}]" if ":" in host else host


def _port(host: str, text: str, default: int | None) -> int:
    if not text and default is not None:
        return default
    if not text.strip():
        raise AddressError("config.address_no_port")
    if not _is_port(text):
        meant = as_written(host, default) if default is not None else ""
        raise AddressError("config.address_port", meant, port=text)
    return int(text)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535


def _four(host: str, port: int) -> str:
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        parts = [part.lstrip("0") or "0" for part in host.split(".") if part]
        plain = ".".join(parts)
        if len(parts) == 5 and all(int(part[:9]) <= 255 for part in parts[:4]):
            meant = as_written(".".join(parts[:4]), parts[4]) if _is_port(parts[4]) else ""
            raise AddressError("config.address_four", meant, host=host) from None
        is_one = len(parts) == 4 and all(int(part[:9]) <= 255 for part in parts)
        meant = as_written(plain, port) if is_one else ""
        why = "config.address_zeros" if is_one else "config.address_four"
        raise AddressError(why, meant, host=host) from None


def _six(bare: str, zone: str | None, port: int) -> str:
    try:
        address = ipaddress.IPv6Address(bare)
    except ValueError:
        raise AddressError("config.address_six", host=bare) from None
    if zone is None and address.is_link_local:
        raise AddressError("config.address_zone", _zoned(bare, port), host=bare)
    if zone is not None and not _ZONE.fullmatch(zone):
        raise AddressError("config.address_zone", as_written(f"{address}%eth0", port), host=bare)
    return str(address) if zone is None else f"{address}%{zone}"
