"""A stretch of bytes (or timers, or counters) of one area: what a tag takes, and what an item of a
request reads. What each costs in a request and in its answer.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from drivers.s7.address import AREAS, Area

#: Bytes of a request: its head (S7 header, function, number of items), and each item.
JOB_HEAD, ITEM = 12, 12
#: Bytes of an answer: its head (S7 header with error, function, number of items), and what precedes
#: the data of each item.
ANSWER_HEAD, ITEM_HEAD = 14, 4
#: TPKT and COTP around each PDU, which the negotiated length leaves out.
FRAME_HEAD = 7
#: Items a request on any CPU: some cut at 19 or 20, and answer as if all were well.
ITEMS_USUAL = 20
#: Lengths of a PDU that CPUs grant, and that are proposed, the longest first.
PDU_PROPOSED = (960, 480, 240)
PDU_LONGEST, PDU_LEAST = PDU_PROPOSED[0], PDU_PROPOSED[-1]
#: Less holds no read of a useful length, and no CPU is known that grants less.
PDU_MIN = 64

_NAMES = {code: area for area, code in AREAS.items()}


class Stretch(NamedTuple):
    """Bytes `first` up to and without `end` of an area (`db` 0 where it is no block); timers and
    counters are counted, and take two bytes each.
    """

    area: Area
    db: int
    first: int
    end: int

    def __str__(self) -> str:
        """The stretch as an engineer would write it: DB12.DBB4-7, MB20, T5."""
        last = f"-{self.end - 1}" if self.end - self.first > 1 else ""
        if self.area in ("T", "C"):
            return f"{self.area}{self.first}{last}"
        return (
            f"{self.block}.DBB{self.first}{last}" if self.db else f"{self.area}B{self.first}{last}"
        )

    @property
    def block(self) -> str:
        """The data block, or the area."""
        return f"DB{self.db}" if self.db else self.area

    @property
    def size(self) -> int:
        """Bytes of data that it brings."""
        return (self.end - self.first) * (2 if self.area in ("T", "C") else 1)

    @property
    def cost(self) -> int:
        """Bytes in an answer, with the fill byte of an odd length: some send it after the last
        item, too.
        """
        size = self.size
        return ITEM_HEAD + size + (size & 1)

    def covers(self, other: Stretch) -> bool:
        return self[:2] == other[:2] and self.first <= other.first and other.end <= self.end

    def meets(self, other: Stretch) -> bool:
        return self[:2] == other[:2] and self.first < other.end and other.first < self.end

    def encode(self) -> bytes:
        """The twelve bytes of the request's item: a length in bytes, always, or in timers."""
        code = AREAS[self.area]
        numbered = self.area in ("T", "C")
        at = self.first if numbered else 8 * self.first
        head = struct.pack(">BBBBHHB", 0x12, 10, 0x10, code if numbered else 2,
                           self.end - self.first, self.db, code)  # fmt: skip
        return head + at.to_bytes(3, "big")

    @classmethod
    def decode(cls, item: bytes) -> Stretch:
        """What `encode` made of it."""
        count, db, code = struct.unpack(">4xHHB", item[:9])
        at = int.from_bytes(item[9:], "big")
        first = at if _NAMES[code] in ("T", "C") else at // 8
        return cls(_NAMES[code], db, first, first + count)


class Room(NamedTuple):
    """What one request may hold: items, and bytes of them in the answer."""

    items: int
    bytes: int

    @property
    def longest(self) -> int:
        """Bytes of the longest item."""
        return (self.bytes - ITEM_HEAD) // 2 * 2


def room_of(pdu: int, items: int = ITEMS_USUAL) -> Room:
    """Both directions count: 12 + 12 x items and 14 + the answers' bytes are at most the PDU."""
    return Room(max(1, min(items, (pdu - JOB_HEAD) // ITEM)), pdu - ANSWER_HEAD)
