"""The receiver's limits, each with the reason or the sum that gives it.

What a box may send stands in the table that both sides share (proto/limits.py) and only passes
through here; what is written out is the receiver's own.
"""

from __future__ import annotations

from jiahe.ingest.limits import (
    ANCHORS_MAX,
    BLOCK_BYTES_MAX,
    BOOT_ID_CHARS_MAX,
    BUNDLE_BLOCKS_MAX,
    CATALOG_BYTES_MAX,
    COLUMNS_MAX,
    DECIMAL_CHARS_MAX,
    EPOCH_END,
    EPOCH_GROUPS_MAX,
    FIELDS_MAX,
    GAP_RANGES_MAX,
    GAPS_MAX,
    GATEWAY_ID_BYTES_MAX,
    GROUPS_MAX,
    HEARTBEAT_MS,
    HELLO_BYTES_MAX,
    HELLO_EPOCHS_MAX,
    ID_BYTES,
    INT64_END,
    LABEL_BYTES_MAX,
    LABELS_MAX,
    LATE_US_MAX,
    MESSAGE_BYTES_MAX,
    NAME_BYTES_MAX,
    NEEDS_MAX,
    PAYLOAD_BYTES_MAX,
    PIECED_BYTES_MAX,
    PIECES_MAX,
    RESPONSE_BYTES_MAX,
    ROWS_MAX,
    RUNS_MAX,
    SAMPLES_MAX,
    SEQ_END,
    SPAN_NS_MAX,
    TAG_SET_BYTES_MAX,
    TAGS_MAX,
    TEXT_BYTES_MAX,
)

__all__ = [
    "ANCHORS_MAX", "BLOCK_BYTES_MAX", "BOOT_ID_CHARS_MAX", "BUNDLE_BLOCKS_MAX",
    "CATALOG_BYTES_MAX", "COLUMNS_MAX", "DECIMAL_CHARS_MAX", "EPOCH_END", "EPOCH_GROUPS_MAX",
    "FIELDS_MAX", "GAPS_MAX", "GAP_RANGES_MAX", "GATEWAY_ID_BYTES_MAX", "GROUPS_MAX",
    "HEARTBEAT_MS", "HELLO_BYTES_MAX", "HELLO_EPOCHS_MAX", "ID_BYTES", "INT64_END", "LABELS_MAX",
    "LABEL_BYTES_MAX", "LATE_US_MAX", "MESSAGE_BYTES_MAX", "NAME_BYTES_MAX", "NEEDS_MAX",
    "PAYLOAD_BYTES_MAX", "PIECED_BYTES_MAX", "PIECES_MAX",
    "RESPONSE_BYTES_MAX", "ROWS_MAX", "RUNS_MAX", "SAMPLES_MAX", "SEQ_END", "SPAN_NS_MAX",
    "TAGS_MAX", "TAG_SET_BYTES_MAX", "TEXT_BYTES_MAX",
]  # fmt: skip

PROTOCOL = 1

#: Payloads with no more bytes than this that may begin a message are not counted before they are
#: parsed: as many messages of some 90 bytes, for as long as one check takes.
UNCOUNTED_MAX = 1_000_000
#: A run with more such bytes is parsed column by column.
PARSED_AT_ONCE_MAX = 50_000

#: What one stream may have sent and not yet seen acknowledged, said in Welcome. Bytes shrink with
#: the crowd: a new stream is promised a part of what is left of WINDOWS_BYTES_TOTAL.
WINDOW_BLOCKS = 256
WINDOW_BYTES = 4 << 20
WINDOW_BYTES_MIN = 96 << 10
WINDOWS_BYTES_TOTAL = 64 << 20
WINDOW_PART = 16
#: Over its window, a stream is read no further. Room for the heartbeats behind it.
WINDOW_SLACK_BYTES = 64 << 10
#: What all streams together hold, read and not yet durable: beyond it a stream that holds anything
#: is read no further. So 400 streams hold this and one message each (106 MiB), whatever they send,
#: and 400 that keep to their windows are always read.
HELD_BYTES_TOTAL = 96 << 20
#: A block or bundle in pieces: one a little over its own limit is still read, so that it can be
#: refused in words.
BLOCK_PIECES_BYTES_MAX = 2 * BLOCK_BYTES_MAX
#: Requests of one stream that wait for their turn, whatever their size.
REQUESTS_MAX = 1024
#: A stream that was silent for this many heartbeats is dead.
HEARTBEATS_DEAD = 3
#: Health says NOT_SERVING for this long after the store last failed. Not until it works again:
#: where a balancer keeps boxes away meanwhile, nothing would ever try it.
STORE_FAILED_S = 30.0
#: A stream must say Hello within this time.
HELLO_S = 15.0
#: Streams of all gateways together, those that have not said Hello yet, and of one connection.
STREAMS_MAX = 4096
STREAMS_SILENT_MAX = 64
#: Open files that are no streams: the store, its log, connections that come and go.
DESCRIPTORS_OWN = 128
STREAMS_PER_CONNECTION_MAX = 4
#: Blocks of one stream that were no blocks at all (damaged, malformed, over a limit): then it ends.
BROKEN_BLOCKS_MAX = 100

#: Another machine under the same id is refused for this long after the bound one was heard last.
CLONE_REFUSED_S = 600
#: How often a stream that only beats is noted as heard.
HEARD_EVERY_S = 60.0

#: Ranges, names of tag sets, and epochs, that one page of Welcome carries.
WELCOME_PAGE = 4096
ENDS_LACKING_MAX = 500
TAG_SETS_TOLD_MAX = 20_000
#: Tag sets that could not be used, whose reason a session keeps.
BAD_TAG_SETS_MAX = 64

#: What a box says of its software is kept up to here.
SOFTWARE_CHARS_MAX = 1024
#: Layouts of revisions that one session keeps at hand.
LAYOUTS_CACHED_MAX = 8
#: Compiled tag sets and catalogs that all sessions share.
SHELF_BYTES_MAX = 64 << 20
#: Messages in pieces that wait for their rest, of all gateways.
PIECES_BYTES_TOTAL = 48 << 20

#: What people are told of a refusal. Texts of a box that it quotes are cut before, to QUOTED_CHARS.
DETAIL_CHARS_MAX = 500
QUOTED_CHARS = 64
