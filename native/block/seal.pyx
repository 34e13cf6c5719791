"""The sealer: takes what every group has scanned and writes numbered, compressed protobuf blocks.

`Sealer.seal` holds no GIL from the swap of the first row store to the finished block: it takes it
once a block, to make bytes of it. They are a serialized jiahe.ingest.v1.Block without its lane;
`proto/README.md` says how to read one.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memmove, memset

from native.bytes cimport put_field, put_varint
from native.block.column cimport scratch_t
from native.block.run cimport put_run
from native.crc cimport crc32c_of
from native.rows.group cimport Group
from native.rows.shape cimport Shape
from native.rows.pushed cimport free_batches, group_take_pushed
from native.rows.store cimport (
    PUSHED_MAX,
    batch_t,
    group_release,
    group_swap,
    group_t,
    store_t,
)
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
from native.reasons cimport (
    COMPRESSION_NONE,
    COMPRESSION_ZSTD,
    FEATURE_EVENTS,
    FEATURE_PLAIN_FLOATS,
    FEATURE_SOURCE_TIME,
)

cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int value, int flags) noexcept
    int EFD_NONBLOCK
    int EFD_CLOEXEC

cdef extern from "<unistd.h>" nogil:
    int close(int fd) noexcept

cdef enum:
    # A block with so many uncompressed bytes is sealed, and the next one begun.
    PAYLOAD_TARGET = 768 * 1024
    # No run of a group is longer: a store has at most STORE_BYTES_MAX, to which come heads and
    # texts, and pushed values with as much again for their numbers.
    RUN_BYTES_MAX = 2 * 1024 * 1024 + 2 * PUSHED_MAX
    BLOCK_HEAD = 64


cdef struct sealed_t:
    const uint8_t *data
    size_t size
    int64_t oldest_ns
    uint64_t scans
    uint64_t samples
    uint64_t bad


cdef struct progress_t:
    # One call of `seal`, as far as it has come.
    uint64_t epoch
    uint64_t seq          # of the next block
    uint32_t revision
    bint always           # a block is wanted, even an empty one
    int32_t at            # the group whose turn it is
    uint8_t *end          # of the payload so far
    int64_t oldest_ns     # boot time of its oldest scan
    uint64_t scans
    sealed_t block        # the one that was finished last


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
    cdef group_t **members  # of them
    cdef int32_t member_count
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
        self.members = <group_t **>calloc(max(1, len(self.groups)), sizeof(group_t *))
        if self.members == NULL:
            raise MemoryError
        for group in self.groups:
            self.members[self.member_count] = &group.g
            self.member_count += 1
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
        free(self.members)
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
        pushed = {FEATURE_EVENTS, FEATURE_SOURCE_TIME} if self.t.pushes else set()
        return frozenset(pushed | ({FEATURE_PLAIN_FLOATS} if self.t.plain else set()))

    @features.setter
    def features(self, known):
        self.t.plain = FEATURE_PLAIN_FLOATS in known
        self.t.pushes = FEATURE_EVENTS in known and FEATURE_SOURCE_TIME in known

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
        cdef const uint8_t *more = <const uint8_t *>PyBytes_AS_STRING(extra)
        cdef size_t more_size = <size_t>len(extra)
        cdef progress_t c
        cdef sealed_t *block = &c.block
        cdef bint there
        if more_size > 512 * 1024:
            raise ValueError("more than 512 KiB of anchors and gaps for one block")
        memset(&c, 0, sizeof(progress_t))
        c.epoch, c.seq, c.revision, c.always = epoch, seq, revision, always
        self.t.samples = self.t.bad = 0
        self.t.is_plain = self.t.is_pushed = False
        memcpy(self.payload, more, more_size)
        c.end = self.payload + more_size
        blocks = []
        while True:
            with nogil:
                there = self.next_block(&c)
            if not there:
                return blocks
            data = PyBytes_FromStringAndSize(<char *>block.data, <Py_ssize_t>block.size)
            blocks.append(Sealed(
                epoch, seq + len(blocks), data, block.oldest_ns, block.scans, block.samples,
                block.bad,
            ))

    cdef bint next_block(self, progress_t *c) noexcept nogil:
        """Seal up to the end of one block. False: there is nothing more."""
        cdef group_t *g
        cdef store_t *s
        cdef batch_t *pushed
        cdef uint8_t *run
        cdef scratch_t before
        cdef int64_t oldest
        cdef uint64_t scans, next_tick = 0
        while c.at < self.member_count:
            g = self.members[c.at]
            s = group_swap(g)
            # Pushed values wait, as far as there is room, for a platform that knows them.
            pushed = NULL
            if self.t.pushes and g.pushed != NULL:
                pushed = group_take_pushed(g, &next_tick)
            if s == NULL or not s.more:
                c.at += 1
            if s == NULL and pushed == NULL:
                continue
            run, before = c.end, self.t
            c.end = put_run(run, g, s, next_tick, pushed, &self.t)
            oldest, scans = pushed.at_ns if pushed != NULL else 0, 0
            free_batches(pushed)
            if s != NULL:
                oldest, scans = s.oldest_ns, s.row_count
                group_release(g, s)
            if c.end - self.payload > PAYLOAD_TARGET and run != self.payload:
                # This run does not fit any more: the block ends before it, the next begins with it.
                self.finish(c, run, &before)
                memmove(self.payload, run, <size_t>(c.end - run))
                c.end = self.payload + (c.end - run)
                self.t.samples -= before.samples
                self.t.bad -= before.bad
                c.oldest_ns, c.scans = oldest, scans
                return True
            if c.oldest_ns == 0 or oldest < c.oldest_ns:
                c.oldest_ns = oldest
            c.scans += scans
        if c.end == self.payload and not c.always:
            return False
        self.finish(c, c.end, &self.t)
        c.end = self.payload
        return True

    cdef void finish(self, progress_t *c, uint8_t *end, const scratch_t *t) noexcept nogil:
        """Compress what lies in the payload buffer, `t` as it was at its end, and put the block's
        head before it. Its checksum is that of the payload before: however a block travels, it
        tells its content.
        """
        cdef size_t size = <size_t>(end - self.payload)
        cdef size_t packed
        cdef uint8_t *body = self.packed + BLOCK_HEAD
        cdef uint8_t head[BLOCK_HEAD]
        cdef uint8_t *p = head
        cdef uint32_t compression = COMPRESSION_ZSTD
        cdef uint32_t crc = crc32c_of(self.payload, size, 0)
        packed = ZSTD_compressCCtx(
            self.zstd, body, self.packed_room, self.payload, size, level_for(size)
        )
        if ZSTD_isError(packed) or packed >= size:
            compression = COMPRESSION_NONE
            memcpy(body, self.payload, size)
            packed = size
        p = put_field(p, 1, c.epoch)
        p = put_field(p, 2, c.seq)
        p = put_field(p, 3, c.revision)
        p = put_field(p, 4, compression)
        p = put_field(p, 5, size)
        p = put_varint(p, (6 << 3) | 5)
        p[0], p[1] = <uint8_t>crc, <uint8_t>(crc >> 8)
        p[2], p[3] = <uint8_t>(crc >> 16), <uint8_t>(crc >> 24)
        p += 4
        p = put_field(p, 8, c.scans)
        p = put_field(p, 9, t.samples)
        if t.is_plain or t.is_pushed:
            p = put_varint(p, (10 << 3) | 2)
            p = put_varint(p, 2 * t.is_pushed + t.is_plain)
        if t.is_pushed:
            p = put_varint(p, FEATURE_EVENTS)
            p = put_varint(p, FEATURE_SOURCE_TIME)
        if t.is_plain:
            p = put_varint(p, FEATURE_PLAIN_FLOATS)
        p = put_varint(p, (7 << 3) | 2)
        p = put_varint(p, packed)
        memcpy(body - (p - head), head, <size_t>(p - head))
        c.block.data, c.block.size = body - (p - head), packed + <size_t>(p - head)
        c.block.oldest_ns, c.block.scans = c.oldest_ns, c.scans
        c.block.samples, c.block.bad = t.samples, t.bad
        c.seq += 1
        c.always = False


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
