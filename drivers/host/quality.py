"""Numbers of GapReason and Quality of the wire protocol that a host's rows and events have."""

from __future__ import annotations

from typing import Final

GAP_OVERRUN: Final = 1
GAP_DEVICE_SILENT: Final = 2
GAP_LINK_DOWN: Final = 3
GAP_MEMORY_FULL: Final = 5
GOOD: Final = 1
UNCERTAIN: Final = 64
OUT_OF_RANGE: Final = 65
BAD: Final = 128
BAD_NO_ANSWER: Final = 129
BAD_LINK_DOWN: Final = 130
BAD_REFUSED: Final = 133
BAD_NOT_A_VALUE: Final = 137
BAD_NO_VALUE: Final = 139
