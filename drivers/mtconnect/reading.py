"""A tag's value out of what is known of the agent."""

from __future__ import annotations

from drivers.api import TagSpec
from drivers.host.values import encode, size_of
from drivers.mtconnect.address import Address
from drivers.mtconnect.documents import UNAVAILABLE
from drivers.mtconnect.follow import Follower, Held
from drivers.quality import BAD_NO_VALUE, BAD_NOT_A_VALUE, BAD_REFUSED, GOOD

#: What a bool without `=VALUE` reads as true and as false.
_TRUE = {"TRUE", "1", "YES", "ON"}
_FALSE = {"FALSE", "0", "NO", "OFF"}
_LEVELS = {"NORMAL": 0, "WARNING": 1, "FAULT": 2}


def read(follower: Follower, tag: TagSpec, address: Address) -> tuple[int, bytes]:
    """(quality, bytes) of a tag now. An item that the agent does not have is refused; one that is
    UNAVAILABLE, or of which nothing was said yet, is no value.
    """
    nothing = bytes(size_of(tag))
    item = follower.find(address.item, address.device)
    if item is None:
        return BAD_REFUSED, nothing
    held = follower.held.get(item.id)
    if held is None:
        return BAD_NO_VALUE, nothing
    if address.aspect == "time":
        when = held.observation.time_ns
        return encode(tag, when) if when else (BAD_NO_VALUE, nothing)
    if not held.is_available:
        return BAD_NO_VALUE, nothing
    value = (
        _condition(held, tag, address) if held.observation.is_condition else _text(held, address)
    )
    if value is None:
        return BAD_NO_VALUE, nothing
    if tag.type == "bool" and isinstance(value, str):
        return _bool(value, address)
    return encode(tag, value)


def _text(held: Held, address: Address) -> str | None:
    """The value as it stands, or a part of it."""
    if address.aspect:
        return None
    if not address.entry:
        if held.entries:
            return " ".join(f"{key}={value}" for key, value in sorted(held.entries.items()))
        return held.observation.value
    if held.entries:
        return held.entries.get(address.entry)
    words = held.observation.value.split()
    if address.entry.isdecimal() and int(address.entry) < len(words):
        word = words[int(address.entry)]
        return None if word == UNAVAILABLE else word
    return None


def _condition(held: Held, tag: TagSpec, address: Address) -> str | int | bool:
    """What the tag takes of the worst active condition: its level as a number, its code, its text,
    or all of them as one text.
    """
    worst = held.worst
    level = worst.level if worst else "NORMAL"
    if address.equals is not None:
        return level
    if address.aspect == "code":
        return worst.code if worst else ""
    if address.aspect == "text":
        return worst.value if worst else ""
    if tag.type == "bool":
        return level != "NORMAL"
    if tag.type != "string":
        return _LEVELS[level]
    active = sorted(held.active.values(), key=lambda each: each.sequence)
    shown = (" ".join(filter(None, (each.level, each.code, each.value))) for each in active)
    return "; ".join(shown) or "NORMAL"


def _bool(value: str, address: Address) -> tuple[int, bytes]:
    if address.equals is not None:
        return GOOD, bytes([value == address.equals])
    word = value.upper()
    if word in _TRUE or word in _FALSE:
        return GOOD, bytes([word in _TRUE])
    return BAD_NOT_A_VALUE, b"\0"
