"""The receiver's limits, each with the reason or the sum that gives it."""

from __future__ import annotations

PROTOCOL = 1

#: The carried payload of one block. Boxes seal earlier (contract: a block is sealed before it
#: passes 1 MiB).
BLOCK_BYTES_MAX = 1 << 20
#: One gRPC message: a block a little over its limit is still read, so that it can be rejected in
#: words.
MESSAGE_BYTES_MAX = 2 * BLOCK_BYTES_MAX
#: The payload of one block when decompressed, whatever it declares.
PAYLOAD_BYTES_MAX = 8 << 20
#: Above `RATIO_FREE_BYTES`, a payload may not unpack to more than this times its carried size.
RATIO_MAX = 100
RATIO_FREE_BYTES = 1 << 20
#: Rows and entries of one block. Lists that end early continue with zeros, so that a few bytes
#: can declare any number of rows: these two bound what a reader has to build.
ROWS_MAX = 1 << 20
SAMPLES_MAX = 1 << 22
#: Messages of one block, counted before it is parsed: some 90 bytes of memory each, however short
#: on the wire. A box sends one run a group (two where its requests changed) and one column a tag,
#: an anchor an hour, and gaps of 256 KiB at most.
ANCHORS_MAX = 1 << 13
RUNS_MAX = 20_000
COLUMNS_MAX = 200_000
#: Of quality runs, of text runs, and of runs of skipped ticks.
PIECES_MAX = 1 << 19
GAPS_MAX = 1 << 15
#: Of ranges of blocks, and of runs of ticks, in all gaps of a block.
GAP_RANGES_MAX = 1 << 17
#: Fields of all messages that are walked: bounds the time that counting takes.
FIELDS_MAX = 1 << 21

#: A block, carried and unpacked together, or a catalog, of more bytes than this is checked in a
#: thread, one after the other for all streams: a hostile one takes a microsecond a byte, and the
#: loop that serves everybody stays free. A small one is not worth the change of thread.
CHECK_INLINE_BYTES = 8 << 10

#: A row this far from its due time (12 days) is no row of its tick; keeps times within 64 bits.
LATE_US_MAX = 1 << 40

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

NAME_CHARS_MAX = 256
TEXT_CHARS_MAX = 1024
GROUPS_MAX = 10_000
TAGS_MAX = 100_000
#: Catalogs that one session keeps at hand.
CATALOGS_CACHED_MAX = 32

#: What people are told of a refusal. Texts of a box that it quotes are cut before, to QUOTED_CHARS.
DETAIL_CHARS_MAX = 500
QUOTED_CHARS = 64

#: Epochs are below 2^53 (contract), and so are seqs: a number that every language holds exactly,
#: with room above it. A block a millisecond takes 285,000 years to get there.
EPOCH_END = SEQ_END = 1 << 53
#: All other numbers must fit SQL's signed 64 bits.
INT64_END = 1 << 63
#: A hundred years: no boot clock, and no tick x period, ever gets there. So sums of two of them
#: and of a UTC fit 64 bits, and a day's books have at most so many days.
SPAN_NS_MAX = 100 * 8766 * 3600 * 1_000_000_000
