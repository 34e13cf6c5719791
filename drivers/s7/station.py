"""How a CPU is called: TSAPs from rack and slot, or as TIA shows them, and what is proposed to it.

A called TSAP is a kind of connection (01 programmer, 02 panel, 03 other) and rack x 32 + slot. The
programmer's is never tried unless it is written: many CPUs have one, and it is the engineer's.
Where neither a place nor a TSAP is written, the places of an S7-300 and of most S7-400 are tried
behind that of an S7-1200 or 1500.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from drivers.api import DeviceSpec
from drivers.s7.stretch import PDU_PROPOSED

#: Kinds of connection in the order they are tried.
_KINDS = (0x03, 0x02)
#: What is called where nothing is written.
_USUAL = (0x0301, 0x0302, 0x0303, 0x0201)
_LOCAL = 0x0100
#: Seconds between two questions for the CPU's mode.
STATE_S = 1
#: Requests at once that are proposed; the CPU grants fewer where it takes fewer.
JOBS = 8
RACK_LAST, SLOT_LAST = 7, 31
_TSAP = re.compile(r"([0-9A-Fa-f]{2})\.?([0-9A-Fa-f]{2})")


class Station(NamedTuple):
    """One CPU as native/s7/protocol calls it."""

    called: tuple[int, ...]  # tried in this order
    local: int = _LOCAL
    pdu: int = PDU_PROPOSED[0]
    jobs: int = JOBS
    state_s: int = STATE_S  # 0: the CPU's mode is not asked for

    def encode(self) -> bytes:
        """The pairs of TSAPs to try, as at most 16 bytes: four TSAPs."""
        head = struct.pack(
            ">HHBBB", self.local, self.pdu, self.jobs, self.state_s, len(self.called)
        )
        return head + struct.pack(f">{len(self.called)}H", *self.called)


def station_of(rack: int, slot: int, tsap: str = "", local_tsap: str = "") -> Station:
    """Raises ValueError for a rack past 7, a slot past 31, or a TSAP that is none."""
    if not (0 <= rack <= RACK_LAST and 0 <= slot <= SLOT_LAST):
        raise ValueError(f"rack {rack}, slot {slot}")
    place = 32 * rack + slot
    called = (tsap_of(tsap),) if tsap else tuple(kind << 8 | place for kind in _KINDS)
    return Station(called, tsap_of(local_tsap) if local_tsap else _LOCAL)


def calls(device: DeviceSpec) -> Station:
    """The TSAPs that the configuration asks for. Raises ValueError."""
    own = dict(device.own)
    rack, slot, tsap = own.get("rack"), own.get("slot"), own.get("tsap", "")
    found = station_of(rack or 0, 1 if slot is None else slot, tsap, own.get("local_tsap", ""))
    return found if tsap or rack is not None or slot is not None else found._replace(called=_USUAL)


def written(tsap: int) -> str:
    """A TSAP as TIA Portal shows it."""
    return f"{tsap >> 8:02X}.{tsap & 0xFF:02X}"


def tsap_of(text: str) -> int:
    """ "02.00" as TIA shows it, two hexadecimal bytes. Raises ValueError."""
    found = _TSAP.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"no TSAP: {text!r}")
    return int(found[1] + found[2], 16)
