"""Blocks that wait, joined: one payload that says the same as all of theirs, in fewer bytes.

A short block pays for each column's first value, and for its heads; of twenty blocks of half a
second that is more than the rest (docs/decisions/0009). So `native.block.join` puts their runs one
behind the other. Names and check bytes of the single blocks stay beside it; GroupRun.block_ticks
says which ticks are whose: proto/README.md, "Bundles". What can't be joined travels one by one.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from native.bytes cimport put_bytes, put_field, put_varint
from native.crc cimport crc32c_of
from native.block.encode cimport MESSAGE_HEAD, close_message
from native.block.join cimport let_go, put_runs, walk_block
from native.block.joiner cimport (
    DAMAGED,
    FINE,
    NO_MEMORY,
    STRANGE,
    TOO_LARGE,
    Fault,
    at_end,
    joiner_t,
    make_room,
    written,
)
from native.reasons cimport COMPRESSION_NONE, COMPRESSION_ZSTD, FEATURE_PLAIN_FLOATS
from native.block.wirefields cimport span_size, span_t, take_field, take_varint, wirefield_t
from native.block.zstd cimport (
    ZSTD_compress,
    ZSTD_compressBound,
    ZSTD_decompress,
    ZSTD_isError,
    level_for,
)

cdef enum:
    # jiahe.ingest.limits: of one payload, when decompressed.
    PAYLOAD_BYTES_MAX = 8 * 1024 * 1024
    BUNDLE_BLOCKS_MAX = 1024
    RUNS_MAX = 20_000
    COLUMNS_MAX = 300_000
    PIECES_MAX = 1 << 19
    ANCHORS_MAX = 1 << 13
    GAPS_MAX = 1 << 15
    GAP_RANGES_MAX = 1 << 17
    FIELDS_MAX = 1 << 21


cdef struct counts_t:
    uint32_t runs
    uint32_t columns
    uint32_t quality
    uint32_t texts
    uint32_t skipped
    uint32_t anchors
    uint32_t gaps
    uint32_t ranges
    uint32_t fields


cdef inline uint8_t *put_fixed32(uint8_t *p, uint32_t v) noexcept nogil:
    p[0], p[1] = <uint8_t>v, <uint8_t>(v >> 8)
    p[2], p[3] = <uint8_t>(v >> 16), <uint8_t>(v >> 24)
    return p + 4


cdef struct head_t:
    # What a Block says beside its payload.
    uint64_t epoch
    uint64_t seq
    uint64_t revision
    uint64_t compression
    uint64_t size
    uint32_t crc
    span_t payload
    uint64_t scans
    uint64_t samples
    uint64_t needs       # a bit a feature; those above 63 can't be joined


cdef Fault read_head(span_t data, head_t *h) noexcept nogil:
    cdef wirefield_t f
    cdef uint64_t feature
    memset(h, 0, sizeof(head_t))
    while data.p < data.end:
        if not take_field(&data, &f):
            return DAMAGED
        if f.number == 1:
            h.epoch = f.value
        elif f.number == 2:
            h.seq = f.value
        elif f.number == 3:
            h.revision = f.value
        elif f.number == 4:
            h.compression = f.value
        elif f.number == 5:
            h.size = f.value
        elif f.number == 6 and f.wire == 5:
            h.crc = (
                f.bytes.p[0] | <uint32_t>f.bytes.p[1] << 8
                | <uint32_t>f.bytes.p[2] << 16 | <uint32_t>f.bytes.p[3] << 24
            )
        elif f.number == 7:
            h.payload = f.bytes
        elif f.number == 8:
            h.scans = f.value
        elif f.number == 9:
            h.samples = f.value
        elif f.number == 10 and f.wire == 2:
            while f.bytes.p < f.bytes.end:
                if not take_varint(&f.bytes, &feature):
                    return DAMAGED
                if feature > 63:
                    return STRANGE
                h.needs |= <uint64_t>1 << feature
        else:
            return STRANGE
    return FINE


cdef Fault unpack(const head_t *h, uint8_t *out) noexcept nogil:
    """The payload, checked, into its h.size bytes at `out`."""
    if h.compression == COMPRESSION_NONE:
        if span_size(h.payload) != h.size:
            return DAMAGED
        if h.size:
            memcpy(out, h.payload.p, h.size)
    elif h.compression == COMPRESSION_ZSTD:
        if ZSTD_decompress(out, h.size, h.payload.p, span_size(h.payload)) != h.size:
            return DAMAGED
    else:
        return STRANGE
    return FINE if crc32c_of(out, h.size, 0) == h.crc else DAMAGED


cdef Fault join(
    joiner_t *j, const head_t *heads, uint32_t count, uint8_t *arena, uint8_t *rest
) noexcept nogil:
    """A BundlePayload of all blocks into j.out. `arena` and `rest` have room for all payloads."""
    cdef uint32_t i
    cdef span_t payload, extra
    cdef span_t *extras = <span_t *>calloc(count, sizeof(span_t))
    cdef size_t begin
    cdef Fault fault = FINE
    cdef uint8_t *p
    if extras == NULL:
        return NO_MEMORY
    extra.end = rest
    for i in range(count):
        fault = unpack(&heads[i], arena)
        if fault:
            break
        payload.p, payload.end = arena, arena + heads[i].size
        extra.p = extra.end
        fault = walk_block(j, i, payload, &extra)
        if fault:
            break
        extras[i] = extra
        arena += heads[i].size
    if not fault:
        fault = put_runs(j)
    i = 0
    while not fault and i < count:
        if extras[i].p != extras[i].end:
            if not make_room(j, span_size(extras[i]) + 2 * MESSAGE_HEAD + 16):
                fault = NO_MEMORY
                break
            begin = j.size
            p = put_field(at_end(j) + MESSAGE_HEAD, 1, i)
            p = put_bytes(p, 2, extras[i].p, span_size(extras[i]))
            written(j, close_message(j.out + begin, p, 3))
        i += 1
    free(extras)
    return fault


cdef void count_column(span_t column, counts_t *c) noexcept nogil:
    cdef wirefield_t f
    c.columns += 1
    while column.p < column.end and take_field(&column, &f):
        c.fields += 1
        c.quality += f.number == 5
        c.texts += f.number == 8


cdef void count_pushed(span_t run, counts_t *c) noexcept nogil:
    """A run of pushed values: its columns lie one message deeper."""
    cdef wirefield_t f, g
    c.runs += 1
    while run.p < run.end and take_field(&run, &f):
        c.fields += 1
        c.skipped += f.number == 3
        while f.number == 6 and f.bytes.p < f.bytes.end and take_field(&f.bytes, &g):
            c.fields += 1
            if g.number == 2:
                count_column(g.bytes, c)


cdef void count_run(span_t run, counts_t *c) noexcept nogil:
    cdef wirefield_t f
    c.runs += 1
    while run.p < run.end and take_field(&run, &f):
        c.fields += 1
        if f.number == 9:
            c.skipped += 1
        elif f.number == 10:
            count_column(f.bytes, c)
        elif f.number == 13:
            count_pushed(f.bytes, c)


cdef void count_extra(span_t extra, counts_t *c) noexcept nogil:
    """What one block says beside its runs."""
    cdef wirefield_t f, g, h
    while extra.p < extra.end and take_field(&extra, &f):
        c.fields += 1
        while f.wire == 2 and f.bytes.p < f.bytes.end and take_field(&f.bytes, &g):
            c.fields += 1
            c.anchors += g.number == 1
            if g.number == 3:
                c.gaps += 1
                while g.bytes.p < g.bytes.end and take_field(&g.bytes, &h):
                    c.fields += 1
                    c.ranges += h.wire == 2


cdef bint has_too_many(const joiner_t *j) noexcept nogil:
    """Whether the bundle has more of anything than a platform takes (ingest.count)."""
    cdef counts_t c
    cdef wirefield_t f
    cdef span_t payload
    # A field takes at least two bytes; a piece of quality, of text or of skipped ticks at least
    # four: where there are few bytes there can't be too many of either, and nothing is counted.
    cdef bint few = (
        not j.pushes and j.joined <= COLUMNS_MAX and j.size // 2 <= FIELDS_MAX
        and (j.size - 2 * j.joined) // 4 <= PIECES_MAX
    )
    memset(&c, 0, sizeof(c))
    payload.p, payload.end = j.out, j.out + j.size
    while payload.p < payload.end and take_field(&payload, &f):
        c.fields += 1
        if f.number == 2 and few:
            c.runs += 1
        elif f.number == 2:
            count_run(f.bytes, &c)
        elif f.number == 3:
            count_extra(f.bytes, &c)
    return (
        c.runs > RUNS_MAX or c.columns > COLUMNS_MAX or c.quality > PIECES_MAX
        or c.texts > PIECES_MAX or c.skipped > PIECES_MAX or c.anchors > ANCHORS_MAX
        or c.gaps > GAPS_MAX or c.ranges > GAP_RANGES_MAX or c.fields > FIELDS_MAX
    )


cdef object fault_said(Fault fault):
    if fault == NO_MEMORY:
        return MemoryError()
    if fault == TOO_LARGE:
        return ValueError("together they are larger than one payload may be")
    if fault == STRANGE:
        return ValueError("a block says what can't be joined")
    return ValueError("not blocks of ours, or damaged ones")


cdef bytes finished(
    joiner_t *j, const head_t *heads, uint32_t count, uint64_t needs
):
    """The payload compressed, behind the head of a Bundle."""
    cdef size_t head_room = 256 + <size_t>count
    cdef size_t bound = ZSTD_compressBound(j.size)
    cdef uint8_t *head = <uint8_t *>malloc(head_room)
    cdef uint8_t *packed = <uint8_t *>malloc(bound)
    cdef const uint8_t *body = packed
    cdef size_t size = 0
    cdef uint64_t scans = 0, samples = 0
    cdef uint32_t compression = COMPRESSION_ZSTD, i
    cdef uint8_t *p = head
    if head == NULL or packed == NULL:
        free(head)
        free(packed)
        raise MemoryError
    with nogil:
        size = ZSTD_compress(packed, bound, j.out, j.size, level_for(j.size))
        if ZSTD_isError(size) or size >= j.size:
            compression, body, size = COMPRESSION_NONE, j.out, j.size
        for i in range(count):
            scans += heads[i].scans
            samples += heads[i].samples
        p = put_field(p, 1, heads[0].epoch)
        p = put_field(p, 2, heads[0].seq)
        p = put_field(p, 3, heads[0].revision)
        p = put_field(p, 4, compression)
        p = put_field(p, 5, j.size)
        p = put_fixed32(put_varint(p, (6 << 3) | 5), crc32c_of(j.out, j.size, 0))
        p = put_field(p, 8, scans)
        p = put_field(p, 9, samples)
        for i in range(1, 64):
            if needs >> i & 1:
                p = put_varint(p, 10 << 3)
                p = put_varint(p, i)
        p = put_varint(p, (11 << 3) | 2)
        p = put_varint(p, count)
        for i in range(count):
            p[i] = <uint8_t>heads[i].crc
        p += count
        p = put_varint(p, (7 << 3) | 2)
        p = put_varint(p, size)
    result = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>(<size_t>(p - head) + size))
    memcpy(PyBytes_AS_STRING(result), head, <size_t>(p - head))
    if size:
        memcpy(PyBytes_AS_STRING(result) + (p - head), body, size)
    free(head)
    free(packed)
    return result


def bundle(blocks, features=frozenset()) -> bytes:
    """A serialized Bundle, without its lane, of serialized Blocks of successive seqs, one epoch and
    one catalog revision.

    `features`: numbers of Feature that the platform knows. Holds no GIL while it works. Raises
    ValueError where the blocks can't be joined: then they travel one by one.
    """
    cdef uint32_t count = <uint32_t>len(blocks), i
    cdef head_t *heads
    cdef uint8_t *arena = NULL
    cdef joiner_t j
    cdef span_t data
    cdef size_t total = 0
    cdef uint64_t needs = 0
    cdef Fault fault = FINE
    cdef bytes one
    blocks = list(blocks)
    if not 1 <= count <= BUNDLE_BLOCKS_MAX:
        raise ValueError(f"{count} blocks: a bundle has 1 to {BUNDLE_BLOCKS_MAX}")
    memset(&j, 0, sizeof(joiner_t))
    j.block_count = count
    heads = <head_t *>calloc(count, sizeof(head_t))
    if heads == NULL:
        raise MemoryError
    try:
        for i in range(count):
            one = blocks[i]
            data.p = <const uint8_t *>PyBytes_AS_STRING(one)
            data.end = data.p + len(one)
            fault = read_head(data, &heads[i])
            if fault:
                raise fault_said(fault)
            if (
                heads[i].epoch != heads[0].epoch or heads[i].revision != heads[0].revision
                or heads[i].seq != heads[0].seq + i
            ):
                raise ValueError("not successive blocks of one epoch and catalog revision")
            total += heads[i].size
            needs |= heads[i].needs
            if total > PAYLOAD_BYTES_MAX:
                raise fault_said(TOO_LARGE)
        arena = <uint8_t *>malloc(2 * total + 1)
        if arena == NULL:
            raise MemoryError
        j.t.plain = FEATURE_PLAIN_FLOATS in features
        needs &= ~(<uint64_t>1 << FEATURE_PLAIN_FLOATS)
        with nogil:
            fault = join(&j, heads, count, arena, arena + total)
            if not fault and (j.size > PAYLOAD_BYTES_MAX or has_too_many(&j)):
                fault = TOO_LARGE
        if fault:
            raise fault_said(fault)
        if j.t.is_plain:
            needs |= <uint64_t>1 << FEATURE_PLAIN_FLOATS
        return finished(&j, heads, count, needs)
    finally:
        let_go(&j)
        free(heads)
        free(arena)
