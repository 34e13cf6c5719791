"""The sealer: takes what every group has scanned and writes numbered, compressed protobuf blocks.

One call of `Sealer.seal` holds no GIL from the swap of the row stores to the finished block. The
bytes are a serialized jiahe.ingest.v1.Block without its lane; `proto/README.md` says how to read
one.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove, memset

from native.bytes cimport put_field, put_varint, varint_size
from native.block.column cimport put_column, scratch_t
from native.crc cimport crc32c_of
from native.block.encode cimport MESSAGE_HEAD, choice_t, choose_order, close_message, put_values
from native.rows.group cimport Group
from native.rows.store cimport (
    field_t,
    group_release,
    group_swap,
    group_t,
    row_status,
    row_t,
    store_t,
)
from native.rows.shape cimport Shape
from native.block.zstd cimport (
    ZSTD_CCtx,
    ZSTD_compressBound,
    ZSTD_compressCCtx,
    ZSTD_createCCtx,
    ZSTD_decompress,
    ZSTD_freeCCtx,
    ZSTD_isError,
    level_for,
)
from native.reasons cimport COMPRESSION_NONE, COMPRESSION_ZSTD, FEATURE_PLAIN_FLOATS

cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int value, int flags) noexcept
    int EFD_NONBLOCK
    int EFD_CLOEXEC

cdef extern from "<unistd.h>" nogil:
    int close(int fd) noexcept

cdef enum:
    # Half the span of a single answer that is worth its bytes.
    SPAN_SAID_US = 1000
    # Uncompressed bytes after which a block is sealed and the next one begun.
    PAYLOAD_TARGET = 768 * 1024
    # A group's run never passes this (group.STORE_BYTES_MAX and its heads and texts).
    RUN_BYTES_MAX = 2 * 1024 * 1024
    BLOCK_HEAD = 64


cdef uint8_t *put_times(uint8_t *p, const group_t *g, store_t *s, scratch_t *t) noexcept nogil:
    """late_order, late_us, half_span_us of the rows; leaves the rows' times in t.times."""
    cdef row_t *row
    cdef uint32_t i
    cdef uint64_t size = 0
    # A single answer that was seen late says so as well.
    cdef bint spans = s.layout.request_count > 1
    cdef choice_t c
    for i in range(s.row_count):
        row = <row_t *>(s.rows + <size_t>i * s.layout.stride)
        t.times[i] = row.mid_ns
        t.values[i] = (row.mid_ns - (g.start_ns + <int64_t>row.tick * g.period_ns)) // 1000
        size += varint_size(row.half_span_us)
        spans = spans or row.half_span_us >= SPAN_SAID_US
    c = choose_order(t.values, s.row_count)
    p = put_field(p, 6, c.order)
    p = put_values(p, 7, t.values, c)
    if spans and s.row_count:
        p = put_varint(p, (8 << 3) | 2)
        p = put_varint(p, size)
        for i in range(s.row_count):
            p = put_varint(p, (<row_t *>(s.rows + <size_t>i * s.layout.stride)).half_span_us)
    return p


cdef uint8_t *put_run(uint8_t *p, group_t *g, store_t *s, scratch_t *t) noexcept nogil:
    """One group's store as a GroupRun, field 2 of the payload."""
    cdef uint8_t *run = p
    cdef uint8_t *part
    cdef uint32_t i, k
    cdef const field_t *f
    cdef const field_t *asked = NULL
    p += MESSAGE_HEAD
    p = put_field(p, 1, g.id)
    p = put_field(p, 2, s.first_tick)
    p = put_field(p, 3, s.next_tick - s.first_tick)
    p = put_field(p, 4, <uint64_t>(g.start_ns + <int64_t>s.first_tick * g.period_ns))
    if s.row_count:
        p = put_times(p, g, s, t)
    for i in range(s.gap_count):
        part = p
        p += MESSAGE_HEAD
        p = put_field(p, 1, s.gaps[i].first)
        p = put_field(p, 2, s.gaps[i].count)
        p = put_field(p, 3, s.gaps[i].reason)
        p = close_message(part, p, 9)
    if s.row_count:
        for k in range(<uint32_t>s.layout.field_count):
            f = &s.layout.fields[k]
            if asked == NULL or f.part != asked.part:
                asked = f
                for i in range(s.row_count):
                    t.status[i] = row_status(s.rows + <size_t>i * s.layout.stride)[f.part]
            memcpy(t.quality, t.status, s.row_count)
            p = put_column(p, g, k, s, t)
    return close_message(run, p, 2)


class Sealed:
    """One sealed block. `data`: serialized Block without lane. `oldest_ns`: boot time of its oldest
    scan. `bad`: samples of it that have no value.
    """

    __slots__ = ("bad", "data", "epoch", "oldest_ns", "samples", "scans", "seq")

    def __init__(self, epoch, seq, data, oldest_ns, scans, samples, bad):
        self.bad = bad
        self.epoch = epoch
        self.seq = seq
        self.data = data
        self.oldest_ns = oldest_ns
        self.scans = scans
        self.samples = samples


cdef class Sealer:
    """Seals the rows of `groups` (native.rows.group.Group) into blocks. One thread at a time."""

    cdef list groups
    cdef scratch_t t
    cdef uint8_t *payload
    cdef uint8_t *packed
    cdef size_t payload_room
    cdef size_t packed_room
    cdef ZSTD_CCtx *zstd
    cdef readonly int wake_fd

    def __cinit__(self, groups):
        cdef size_t rows = 1
        cdef Group group
        self.groups = list(groups)
        self.wake_fd = -1
        memset(&self.t, 0, sizeof(scratch_t))
        for group in self.groups:
            if group.g.row_capacity > rows:
                rows = group.g.row_capacity
        self.t.values = <int64_t *>malloc(rows * 8)
        self.t.decimals = <int64_t *>malloc(rows * 8)
        self.t.times = <int64_t *>malloc(rows * 8)
        self.t.rows = <uint32_t *>malloc(rows * 4)
        self.t.quality = <uint8_t *>malloc(rows)
        self.t.status = <uint8_t *>malloc(rows)
        self.payload_room = PAYLOAD_TARGET + RUN_BYTES_MAX
        self.payload = <uint8_t *>malloc(self.payload_room)
        self.packed_room = ZSTD_compressBound(self.payload_room)
        self.packed = <uint8_t *>malloc(self.packed_room + BLOCK_HEAD)
        self.zstd = ZSTD_createCCtx()
        if (
            self.t.values == NULL or self.t.decimals == NULL
            or self.t.times == NULL or self.t.rows == NULL or self.t.quality == NULL
            or self.t.status == NULL
            or self.payload == NULL or self.packed == NULL or self.zstd == NULL
        ):
            raise MemoryError
        self.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if self.wake_fd < 0:
            raise OSError("no eventfd: too many open files")
        for group in self.groups:
            group.g.wake_fd = self.wake_fd

    def __dealloc__(self):
        cdef Group group
        if self.groups is not None:
            for group in self.groups:
                group.g.wake_fd = -1
        if self.wake_fd >= 0:
            close(self.wake_fd)
        free(self.t.values)
        free(self.t.decimals)
        free(self.t.times)
        free(self.t.rows)
        free(self.t.quality)
        free(self.t.status)
        free(self.payload)
        free(self.packed)
        if self.zstd != NULL:
            ZSTD_freeCCtx(self.zstd)

    @property
    def features(self) -> frozenset:
        """Numbers of Feature that the platform knows and blocks may use."""
        return frozenset({FEATURE_PLAIN_FLOATS} if self.t.plain else ())

    @features.setter
    def features(self, known):
        self.t.plain = FEATURE_PLAIN_FLOATS in known

    def restate(self) -> None:
        """Every tag that is reported on change is said again with its next row."""
        cdef Group group
        cdef Shape shape
        cdef int32_t k
        for group in self.groups:
            shape = group.shape
            for k in range(shape.state_count):
                group.g.states[k].reported = False

    def seal(
        self, uint64_t epoch, uint64_t seq, uint32_t revision, bytes extra=b"", bint always=False
    ) -> list:
        """Everything scanned since the last call, as blocks numbered from `seq`; empty when there
        is nothing.

        `extra` is serialized BlockPayload fields (anchors, gaps, end_of_epoch) that go into the
        first block. `always` makes a block even of nothing. Raises ValueError when `extra` is over
        512 KiB.
        """
        cdef uint8_t *p = self.payload
        cdef const uint8_t *more = <const uint8_t *>PyBytes_AS_STRING(extra)
        cdef size_t more_size = <size_t>len(extra)
        cdef Group group
        cdef store_t *s
        cdef group_t *g
        cdef int64_t oldest = 0
        cdef uint64_t scans = 0, samples, bad
        cdef uint8_t *run
        cdef scratch_t before
        cdef bint waiting
        if more_size > 512 * 1024:
            raise ValueError("more than 512 KiB of anchors and gaps for one block")
        blocks = []
        self.t.samples = self.t.bad = 0
        self.t.is_plain = False
        memcpy(p, more, more_size)
        p += more_size
        for group in self.groups:
            g = &group.g
            waiting = True
            while waiting:
                run, before = p, self.t
                with nogil:
                    s = group_swap(g)
                    if s == NULL:
                        break
                    waiting = s.more
                    p = put_run(p, g, s, &self.t)
                if p - self.payload > PAYLOAD_TARGET and run != self.payload:
                    # It does not fit any more: the block ends before it, and it begins the next.
                    samples, bad = self.t.samples - before.samples, self.t.bad - before.bad
                    plain = self.t.is_plain  # by this run, or by those before it
                    self.t.samples, self.t.bad = before.samples, before.bad
                    self.t.is_plain = before.is_plain
                    blocks.append(
                        self.finish(run, epoch, seq + len(blocks), revision, oldest, scans)
                    )
                    memmove(self.payload, run, <size_t>(p - run))
                    p = self.payload + (p - run)
                    oldest, scans, self.t.samples, self.t.bad = 0, 0, samples, bad
                    self.t.is_plain = plain
                if oldest == 0 or s.oldest_ns < oldest:
                    oldest = s.oldest_ns
                scans += s.row_count
                group_release(g, s)
        if p != self.payload or (always and not blocks):
            blocks.append(self.finish(p, epoch, seq + len(blocks), revision, oldest, scans))
        return blocks

    cdef object finish(
        self, uint8_t *end, uint64_t epoch, uint64_t seq, uint32_t revision,
        int64_t oldest, uint64_t scans
    ):
        """Compress what lies in the payload buffer and put the block's head before it. Its checksum
        is that of the payload before: however a block travels, it tells its content.
        """
        cdef size_t size = <size_t>(end - self.payload)
        cdef size_t packed
        cdef uint8_t *body = self.packed + BLOCK_HEAD
        cdef uint8_t head[BLOCK_HEAD]
        cdef uint8_t *p = head
        cdef uint32_t compression = COMPRESSION_ZSTD, crc
        with nogil:
            crc = crc32c_of(self.payload, size, 0)
            packed = ZSTD_compressCCtx(
                self.zstd, body, self.packed_room, self.payload, size, level_for(size)
            )
            if ZSTD_isError(packed) or packed >= size:
                compression = COMPRESSION_NONE
                memcpy(body, self.payload, size)
                packed = size
            p = put_field(p, 1, epoch)
            p = put_field(p, 2, seq)
            p = put_field(p, 3, revision)
            p = put_field(p, 4, compression)
            p = put_field(p, 5, size)
            p = put_varint(p, (6 << 3) | 5)
            p[0], p[1] = <uint8_t>crc, <uint8_t>(crc >> 8)
            p[2], p[3] = <uint8_t>(crc >> 16), <uint8_t>(crc >> 24)
            p += 4
            p = put_field(p, 8, scans)
            p = put_field(p, 9, self.t.samples)
            if self.t.is_plain:
                p = put_varint(p, (10 << 3) | 2)
                p = put_varint(p, 1)
                p = put_varint(p, FEATURE_PLAIN_FLOATS)
            p = put_varint(p, (7 << 3) | 2)
            p = put_varint(p, packed)
            memcpy(body - (p - head), head, <size_t>(p - head))
        data = PyBytes_FromStringAndSize(
            <char *>(body - (p - head)), <Py_ssize_t>(packed + <size_t>(p - head))
        )
        return Sealed(epoch, seq, data, oldest, scans, self.t.samples, self.t.bad)


def decompress(const uint8_t[::1] data not None, size_t size) -> bytes:
    """The payload of a zstd block: exactly `size` bytes, or ValueError. Reads no more than that."""
    if size > 64 * 1024 * 1024:
        raise ValueError(f"a payload of {size} bytes is over the limit of 64 MiB")
    result = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
    cdef uint8_t *out = <uint8_t *>PyBytes_AS_STRING(result)
    cdef size_t got = 0
    cdef size_t n = <size_t>data.shape[0]
    if n == 0:
        raise ValueError("an empty payload")
    with nogil:
        got = ZSTD_decompress(out, size, &data[0], n)
    if ZSTD_isError(got) or got != size:
        raise ValueError("the payload is damaged: it does not decompress to the size it declares")
    return result
