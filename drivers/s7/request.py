"""A request of a plan as native/s7/asking reads it, and what of the answer each tag is."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from drivers.api import Request
from drivers.s7.stretch import ANSWER_HEAD, FRAME_HEAD, ITEM, JOB_HEAD, Stretch
from drivers.s7.types import FIXES, wire_bytes

_PART = struct.Struct(">BBHH")
#: The longest words that a request may have.
SPEC_MOST = 8192
#: Characters of the question for the CPU's state, and of its answer.
_STATE_ASK, _STATE_ANSWER = 33, 61


class Part(NamedTuple):
    """What a tag, or tags alike, are of an answer: which item, where in it. `type` is one that is
    put in shape, or "": bytes as they are. `room`: how many bytes, or characters of a text.
    """

    item: int
    at: int
    type: str
    room: int

    @property
    def wire_bytes(self) -> int:
        return wire_bytes(self.type, self.room) if self.type else self.room

    @property
    def row_bytes(self) -> int:
        return FIXES[self.type].row_bytes * (self.room or 1) if self.type else self.room


def request_of(items: Sequence[Stretch], parts: Sequence[Part]) -> Request:
    """One read of `items`, which brings `parts`, in the order of their items and where they lie."""
    spec = bytes([len(items)]) + b"".join(item.encode() for item in items)
    spec += b"".join(
        _PART.pack(FIXES[p.type].code if p.type else 0, p.item, p.at, p.room) for p in parts
    )
    return Request(
        spec=spec,
        parts=tuple(part.row_bytes for part in parts),
        ask_chars=FRAME_HEAD + JOB_HEAD + ITEM * len(items),
        answer_chars=FRAME_HEAD + ANSWER_HEAD + sum(item.cost for item in items),
    )


def parts_most(items: int) -> int:
    """How many parts one request may have."""
    return (SPEC_MOST - 1 - ITEM * items) // _PART.size


def item_of(spec: bytes, number: int) -> Stretch:
    """An item of a request's words."""
    return Stretch.decode(spec[1 + ITEM * number : 1 + ITEM * (number + 1)])


def parts_of(spec: bytes) -> list[Part]:
    """The parts in a request's words; those of the CPU's state are none."""
    names = {fix.code: name for name, fix in FIXES.items()}
    return [
        Part(item, at, names[kind] if kind else "", room)
        for kind, item, at, room in _PART.iter_unpack(spec[1 + ITEM * spec[0] :])
    ]


def stretch_of(spec: bytes, part: Part) -> Stretch:
    """Where a part lies in the CPU."""
    item = item_of(spec, part.item)
    unit = item.size // (item.end - item.first)
    first = item.first + part.at // unit
    return Stretch(item.area, item.db, first, first + part.wire_bytes // unit)


STATE = Request(spec=b"\0", parts=(1,), ask_chars=_STATE_ASK, answer_chars=_STATE_ANSWER)
