"""The receiver's limits, each with the reason or the sum that gives it.

What a box may send stands in the table that both sides share (proto/limits.py) and only passes
through here; what is written out is the receiver's own.
"""

from __future__ import annotations

from jiahe.ingest.limits import (
    ANCHORS_MAX,
    BLOCK_BYTES_MAX,
    COLUMNS_MAX,
    DECIMAL_CHARS_MAX,
    EPOCH_END,
    FIELDS_MAX,
    GAP_RANGES_MAX,
    GAPS_MAX,
    GATEWAY_ID_BYTES_MAX,
    GROUPS_MAX,
    INT64_END,
    LATE_US_MAX,
    MESSAGE_BYTES_MAX,
    NAME_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
    PIECES_MAX,
    RATIO_FREE_BYTES,
    RATIO_MAX,
    ROWS_MAX,
    RUNS_MAX,
    SAMPLES_MAX,
    SEQ_END,
    SPAN_NS_MAX,
    TAGS_MAX,
    TEXT_BYTES_MAX,
)

__all__ = [
    "ANCHORS_MAX", "BLOCK_BYTES_MAX", "COLUMNS_MAX", "DECIMAL_CHARS_MAX", "EPOCH_END", "FIELDS_MAX",
    "GAPS_MAX", "GAP_RANGES_MAX", "GATEWAY_ID_BYTES_MAX", "GROUPS_MAX", "INT64_END", "LATE_US_MAX",
    "MESSAGE_BYTES_MAX", "NAME_BYTES_MAX", "PAYLOAD_BYTES_MAX", "PIECES_MAX", "RATIO_FREE_BYTES",
    "RATIO_MAX", "ROWS_MAX", "RUNS_MAX", "SAMPLES_MAX", "SEQ_END", "SPAN_NS_MAX", "TAGS_MAX",
    "TEXT_BYTES_MAX",
]  # fmt: skip

PROTOCOL = 1

#: A block, carried and unpacked together, or a catalog, of more bytes than this is checked in a
#: thread, one after the other for all streams: a hostile one takes a microsecond a byte, and the
#: loop that serves everybody stays free. A small one is not worth the change of thread.
CHECK_INLINE_BYTES = 8 << 10

#: What one stream may have sent and not yet seen acknowledged; reading stops beyond it.
WINDOW_BLOCKS = 64
WINDOW_BYTES = 4 << 20
#: Of that, as carried and unpacked together: what the blocks take here until they are stored.
WINDOW_HELD_BYTES = 4 * WINDOW_BYTES
#: The same for all streams together; beyond it each stream may have one block on its way.
WINDOWS_BYTES_TOTAL = 256 << 20
HEARTBEAT_MS = 10_000
#: A stream that was silent for this many heartbeats is dead.
HEARTBEATS_DEAD = 3
#: Health says NOT_SERVING for this long after the store last failed. Not until it works again:
#: where a balancer keeps boxes away meanwhile, nothing would ever try it.
STORE_FAILED_S = 30.0
#: A stream must say Hello within this time, and each page of it within as much again; all of them
#: within the second: two megabytes of epochs at 64 kbit/s.
HELLO_S = 15.0
HELLO_PAGES_S = 300.0
#: Streams of all gateways together, and of one connection.
STREAMS_MAX = 4096
STREAMS_PER_CONNECTION_MAX = 4

#: Epochs that one Hello with its pages may name (a box that crashed each half minute of a month),
#: and a Welcome page carries. The store looks them up in one query and keeps none of them.
EPOCHS_NAMED_MAX = 100_000
WELCOME_PAGE = 500

#: What a box says of its software is kept up to here.
SOFTWARE_CHARS_MAX = 1024
#: Catalogs that one session keeps at hand.
CATALOGS_CACHED_MAX = 32

#: What people are told of a refusal. Texts of a box that it quotes are cut before, to QUOTED_CHARS.
DETAIL_CHARS_MAX = 500
QUOTED_CHARS = 64
