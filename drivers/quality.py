"""Numbers of Quality and GapReason of the wire protocol (proto/jiahe/ingest/v1/ingest.proto).

Up to 63 a value is good, from UNCERTAIN on it may be wrong, from BAD on there is none.
"""

from __future__ import annotations

from typing import Final

GOOD: Final = 1
UNCERTAIN: Final = 64
UNCERTAIN_OUT_OF_RANGE: Final = 65
UNCERTAIN_ANOTHER_ASKER: Final = 66
UNCERTAIN_SOURCE_DOUBTS: Final = 67
BAD: Final = 128
BAD_NO_ANSWER: Final = 129
BAD_LINK_DOWN: Final = 130
BAD_DAMAGED: Final = 131
BAD_WRONG_ANSWER: Final = 132
BAD_REFUSED: Final = 133
BAD_DEVICE_FAILURE: Final = 134
BAD_BUSY: Final = 135
BAD_GATEWAY: Final = 136
BAD_NOT_A_VALUE: Final = 137
BAD_NOT_ASKED: Final = 138
BAD_NO_VALUE: Final = 139
BAD_SOURCE_LOST: Final = 140

GAP_OVERRUN: Final = 1
GAP_DEVICE_SILENT: Final = 2
GAP_LINK_DOWN: Final = 3
GAP_REPLANNED: Final = 4
GAP_MEMORY_FULL: Final = 5
