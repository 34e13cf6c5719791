"""The one table of sizes: what one side may send and the other refuse.

Box, receiver, `jiahe check` and the documentation take these numbers from here. Each is the least
that a receiver must take, and the most that a box may send; so whatever `jiahe check` passes is
delivered. A receiver may take more, never less. `proto/limits.py` is the original; `make proto`
puts it beside the generated package, as `jiahe.ingest.limits`. Texts are counted in bytes of UTF-8.
"""

from __future__ import annotations

# Names and texts.

#: A gateway's id: it stands in a certificate, and in the name of each block.
GATEWAY_ID_BYTES_MAX = 128
#: The name of a device or of a tag. A box takes 64 characters of at most 4 bytes.
NAME_BYTES_MAX = 1024
#: A site, a unit, an address, a description: for people, in one line.
TEXT_BYTES_MAX = 4096
#: The name of one value, of one bit.
LABEL_BYTES_MAX = 256
#: Names of values of one tag: a control's table of alarms has some thousands.
LABELS_MAX = 4096
#: The name of a boot.
BOOT_ID_CHARS_MAX = 64
#: Names of contents, installations and machines: first bytes of a SHA-256, or as many at random.
ID_BYTES = 16
#: Scale, offset, resolution, deadband: a decimal number as text.
DECIMAL_CHARS_MAX = 64

# What one gateway may be.

LINKS_MAX = 1_000
#: Of all devices together, a tag counted once a device: 1,000 controllers of 300.
TAGS_MAX = 300_000
#: A stream is a group: the tags of one device with one period. A revision may name so many.
GROUPS_MAX = 10_000
#: Of one epoch, those that ended among them.
EPOCH_GROUPS_MAX = 10 * GROUPS_MAX
#: One tag set, serialized: the tags of a group, with their labels.
TAG_SET_BYTES_MAX = 16 << 20
#: All that a reader of an epoch needs beside its blocks: its revisions and each tag set once.
CATALOG_BYTES_MAX = 64 << 20

# Messages and blocks.

#: The carried payload of one block. A box seals before it.
BLOCK_BYTES_MAX = 1 << 20
#: One gRPC message; whatever is larger travels in pieces. A message that came in part waits in the
#: receiver's memory, of each of its streams, and nothing but this bounds it. Room for 256 KiB of
#: blocks that travel together.
MESSAGE_BYTES_MAX = 272 << 10
#: The payload of one block when decompressed, however few bytes it was: a plant that stands still,
#: or does not answer, packs 700:1.
PAYLOAD_BYTES_MAX = 8 << 20
#: Rows and entries of one block. Lists that end early continue with zeros, so that a few bytes
#: can declare any number of rows: these two bound what a reader has to build.
ROWS_MAX = 1 << 20
SAMPLES_MAX = 1 << 22
#: Messages of one block, by kind; some 90 bytes of a reader's memory each, however short on the
#: wire. A run a group, and one more where its requests changed.
ANCHORS_MAX = 1 << 13
RUNS_MAX = 2 * GROUPS_MAX
#: A column a tag.
COLUMNS_MAX = TAGS_MAX
#: Of quality runs, of text runs, and of runs of skipped ticks.
PIECES_MAX = 1 << 19
GAPS_MAX = 1 << 15
#: Of ranges of blocks, and of runs of ticks, in all gaps of a block.
GAP_RANGES_MAX = 1 << 17
#: Fields of a payload, and of the messages in it: bounds the time that counting takes.
FIELDS_MAX = 1 << 21

#: Blocks that one bundle holds. Its payload is bounded as that of one block.
BUNDLE_BLOCKS_MAX = 1 << 10
#: Numbers of features that one block, tag set or catalog needs.
NEEDS_MAX = 64

# Numbers.

#: Epochs are below 2^53, and so are seqs: a number that every language holds exactly, with room
#: above it. A block a millisecond takes 285,000 years to get there.
EPOCH_END = SEQ_END = 1 << 53
#: All other numbers fit SQL's signed 64 bits.
INT64_END = 1 << 63
#: A hundred years: no boot clock, and no tick x period, ever gets there. So sums of two of them
#: and of a UTC fit 64 bits, and a day's books have at most so many days.
SPAN_NS_MAX = 100 * 8766 * 3600 * 1_000_000_000
#: A row this far from its due time (12 days) is no row of its tick; keeps times within 64 bits.
LATE_US_MAX = 1 << 40

# Opening a stream.

#: Earlier runs that one Hello names: the oldest that are not settled, the next when those are.
HELLO_EPOCHS_MAX = 500
#: Hello is read before anybody is known, so it stays small: a box that would pass this names fewer
#: of its earlier runs, or fewer ranges of them (the platform needs only which runs they are).
HELLO_BYTES_MAX = 64 << 10
#: A message of the platform: a Welcome of many ranges goes on on further pages.
RESPONSE_BYTES_MAX = 256 << 10
#: How long a box may say nothing before it asks whether the platform is there: what our receiver
#: says in Welcome.heartbeat_ms, and `jiahe check` counts with. With the 9 s that an answer may
#: take, a dead link is seen within 30 s; of two sends a minute apart two go between, no third.
HEARTBEAT_MS = 20_500
#: A message that travels in pieces: a tag set, with what stands around it.
PIECED_BYTES_MAX = TAG_SET_BYTES_MAX + (1 << 10)
