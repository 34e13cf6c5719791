"""What an address of a tag names: a data item of an agent or an adapter, and what of it.

Xact                 by id or by name
VMC-3Axis/Xact       of one of several machines of the agent
path_pos[0]          a word of a value of several; load[spindle]: an entry of a data set
execution=ACTIVE     bool: whether its value is this
Xact@time            when the machine says that it changed: ns since 1970, int64
system@code          of a condition: the native code of the worst that is active; also @text
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ADDRESS = re.compile(
    r"(?:(?P<device>[^/\[\]=@]+)/)?(?P<item>[^/\[\]=@]+)"
    r"(?:\[(?P<entry>[^\[\]]+)\])?(?:=(?P<equals>.+)|@(?P<aspect>\w+))?",
    re.DOTALL,
)
ASPECTS = ("time", "code", "text")


class AddressError(ValueError):
    """The text is no address; `message` is an id of gateway/messages."""

    def __init__(self, message: str, text: str) -> None:
        super().__init__(message)
        self.message, self.text = message, text


@dataclass(frozen=True, slots=True)
class Address:
    item: str  # a data item's id or name
    device: str = ""  # the machine's name, uuid or id; "": the only one that has the item
    entry: str = ""
    equals: str | None = None
    aspect: str = ""  # "" or one of ASPECTS


def parse(text: str) -> Address:
    """Raises AddressError."""
    match = _ADDRESS.fullmatch(text.strip())
    if match is None:
        raise AddressError("mtconnect.address_syntax", text)
    aspect = match["aspect"] or ""
    if aspect and aspect not in ASPECTS:
        raise AddressError("mtconnect.address_aspect", text)
    return Address(
        item=match["item"].strip(),
        device=(match["device"] or "").strip(),
        entry=(match["entry"] or "").strip(),
        equals=match["equals"],
        aspect=aspect,
    )
