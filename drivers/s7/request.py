"""A request of a plan as native/s7/protocol reads it, and what of the answer each tag is."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from drivers.api import Request
from drivers.s7.stretch import ANSWER_HEAD, FRAME_HEAD, ITEM, JOB_HEAD, Stretch
from drivers.s7.types import FIXES

_FIX = struct.Struct(">BBHH")
#: The longest words that a request may have.
SPEC_MOST = 1024
#: Characters of the question for the CPU's state, and of its answer.
_STATE_ASK, _STATE_ANSWER = 33, 61


class Reshaped(NamedTuple):
    """A value that the native floor puts in shape: which item, where in it, of which type; `text`
    the characters of a string.
    """

    item: int
    at: int
    type: str
    text: int

    @property
    def row_bytes(self) -> int:
        return FIXES[self.type].row_bytes * (self.text or 1)


def request_of(
    items: Sequence[Stretch], reshaped: Sequence[Reshaped], numbers: Sequence[int]
) -> Request:
    """One read; its parts: each item's data, then each value that is put in shape. `numbers`: how
    `reshaped` calls the items.
    """
    spec = bytes([len(items)]) + b"".join(item.encode() for item in items)
    spec += b"".join(
        _FIX.pack(FIXES[r.type].code, numbers.index(r.item), r.at, r.text) for r in reshaped
    )
    return Request(
        spec=spec,
        parts=(*(item.size for item in items), *(r.row_bytes for r in reshaped)),
        ask_chars=FRAME_HEAD + JOB_HEAD + ITEM * len(items),
        answer_chars=FRAME_HEAD + ANSWER_HEAD + sum(item.cost for item in items),
    )


def reshaped_most(items: int) -> int:
    """How many values can be put in shape in one request."""
    return (SPEC_MOST - 1 - ITEM * items) // _FIX.size


STATE = Request(spec=b"\0", parts=(1,), ask_chars=_STATE_ASK, answer_chars=_STATE_ANSWER)
