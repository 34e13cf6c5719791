"""Answers of a stream that lost bytes on the way, where frames have no checksum.

Serial servers and gateways may lose some bytes inside an answer. Nothing in it shows that: by its
length it is filled up with the first bytes of the next one. But then the next one begins inside it,
and what lies behind it is the next one's rest. Such an answer is damaged, and the next one is taken
from where it begins. Where too little has arrived to tell, an answer waits for what comes next, at
most until its time is up; then it is asked for once more, with no other in flight. None of this is
asked where no other answer can follow.
"""

from libc.stdint cimport int32_t, uint8_t, uint64_t

from native.engine.protocol cimport flight_t, in_t

cdef enum Front:
    WHOLE = 0
    UNCLEAR = 1  # what comes next will tell; without it, it is not believed
    SHORT = 2    # bytes of it were lost on the way


cdef struct stream_t:
    # What a protocol knows of its frames.
    void *session
    const flight_t *open
    int32_t count
    int32_t own           # the flight that the frame in front answers; -1: none
    size_t sure           # bytes by which the beginning of an answer is told from data
    uint64_t firsts[4]    # what answers may begin with, a bit each
    # Whether any frame may begin with these bytes, at least one.
    bint (*may_begin)(
        void *session, const flight_t *open_, int32_t n, const uint8_t *p, size_t size
    ) noexcept nogil
    # Whether the answer to a flight other than `own` may.
    bint (*is_other)(const stream_t *s, const uint8_t *p, size_t size) noexcept nogil
    # Whether the answer to one of the last requests does, and fills `room` at least; `sure` bytes.
    bint (*is_older)(const stream_t *s, const uint8_t *p, size_t room) noexcept nogil


cdef inline void may_be_first(stream_t *s, uint8_t first) noexcept nogil:
    s.firsts[first >> 6] |= <uint64_t>1 << (first & 63)


cdef inline bint is_first(const stream_t *s, uint8_t first) noexcept nogil:
    return (s.firsts[first >> 6] >> (first & 63)) & 1


cdef inline Front judge_front(
    const stream_t *s, const in_t *arrived, size_t size, bint is_checked, size_t *at
) noexcept nogil:
    """Whether the frame of `size` bytes in front has all of them. SHORT: it is done with at `at`.
    `is_checked`: bytes behind it are a checksum of it.
    """
    cdef const uint8_t *p = arrived.p
    cdef size_t i
    cdef size_t behind = arrived.n - size if arrived.n > size else 0
    cdef bint follows = behind > 0 and s.may_begin(s.session, s.open, s.count, p + size, behind)
    cdef bint is_clear = True
    if follows and behind >= s.sure:
        return WHOLE
    for i in range(1, min(size, arrived.n)):
        if not is_first(s, p[i]):
            continue
        if arrived.n - i < s.sure:
            is_clear = is_clear and not s.is_other(s, p + i, arrived.n - i)
        elif s.is_other(s, p + i, arrived.n - i) or s.is_older(s, p + i, size - i):
            if not follows:
                at[0] = i
                return SHORT
            is_clear = False
    if behind and not follows and s.own >= 0 and s.count > 1 and not is_checked:
        # What is behind it may be the rest of the next answer, which lost bytes as well.
        at[0] = size
        return SHORT if behind > 1 else UNCLEAR
    return WHOLE if is_clear else UNCLEAR
