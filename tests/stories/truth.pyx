"""Whether what a row of a story holds is what was said: see `story`."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from native.clock cimport MS
from native.rows.store cimport group_t, layout_t, request_t, row_data, row_t
from tests.stories.machines cimport FRAME_MAX, METER, MIXED, RTU, Kind, expect, key_of
from tests.stories.world cimport said_t, world_t

cdef enum:
    REFUSED_ENOUGH = 3   # what is refused so often, and never answered, may be set aside

cdef int64_t UNSURE = 400 * MS  # so much later than asked another master's request may be heard


cdef inline Kind kind_of(const world_t *w, int32_t device) noexcept nogil:
    """On a mixed line every other device is a meter."""
    if w.kind != MIXED:
        return w.kind
    return METER if device & 1 else RTU


cdef bint may_be_set_aside(world_t *w, int32_t device, const request_t *r) noexcept nogil:
    """Whether it never answered and was refused often enough to rest for long (contracts.md, 6)."""
    cdef uint64_t key = key_of(kind_of(w, device), r.spec, r.spec_size)
    cdef int32_t refused = 0
    cdef uint32_t i
    for i in range(w.said_count):
        refused += w.said[i].refused and w.said[i].key == key and w.said[i].device == device
    return not r.answered and refused >= REFUSED_ENOUGH


cdef uint32_t said_from(const world_t *w, int64_t at) noexcept nogil:
    """The first request that was heard at that time or later."""
    cdef uint32_t low = 0, high = w.said_count, middle
    while low < high:
        middle = (low + high) // 2
        if w.said[middle].at < at:
            low = middle + 1
        else:
            high = middle
    return low


cdef bint is_covered(const said_t *said, const request_t *r) noexcept nogil:
    """Whether what another master was answered holds what that request wants."""
    cdef const uint8_t *b = r.spec
    cdef int32_t skip = (b[1] << 8 | b[2]) - (said.spec[1] << 8 | said.spec[2])
    return (
        said.answered and said.spec[0] == b[0] and skip >= 0
        and skip + (b[3] << 8 | b[4]) <= (said.spec[3] << 8 | said.spec[4])
    )


cdef size_t heard_data(
    int32_t device, const said_t *said, const request_t *r, uint32_t serial, uint8_t *out
) noexcept nogil:
    """The data that a request wants, out of an answer that covers it; bytes."""
    cdef uint8_t whole[FRAME_MAX]
    cdef const uint8_t *b = r.spec
    cdef uint32_t skip = <uint32_t>(b[1] << 8 | b[2]) - <uint32_t>(said.spec[1] << 8 | said.spec[2])
    cdef uint32_t count = <uint32_t>(b[3] << 8 | b[4]), i
    expect(RTU, device, said.spec, 0, serial, whole)
    if b[0] > 2:
        memcpy(out, whole + 2 * skip, 2 * count)
        return 2 * count
    memset(out, 0, (count + 7) // 8)
    for i in range(count):
        out[i // 8] |= <uint8_t>((whole[(skip + i) // 8] >> ((skip + i) % 8) & 1) << (i % 8))
    return (count + 7) // 8


cdef bint is_heard(
    world_t *w, int32_t member, const request_t *r, uint64_t tick
) noexcept nogil:
    """Whether another master asked for it, and got it, within a tick."""
    cdef group_t *g = w.rig.l.members[member].g
    cdef int64_t due = g.start_ns + <int64_t>tick * g.period_ns
    cdef uint32_t i = said_from(w, due)
    cdef const said_t *s
    while i < w.said_count and w.said[i].at < due + g.period_ns:
        s = &w.said[i]
        if (
            s.device == w.rig.l.members[member].device and is_covered(s, r)
            and 0 < s.done_at < due + g.period_ns
        ):
            return True
        i += 1
    return False


cdef bint is_any_heard(world_t *w, int32_t member, uint64_t tick) noexcept nogil:
    cdef layout_t *layout = w.rig.l.members[member].g.current
    cdef int32_t i
    for i in range(layout.request_count):
        if is_heard(w, member, &layout.requests[i], tick):
            return True
    return False


cdef bint is_true(
    world_t *w, int32_t device, layout_t *layout, row_t *row, int32_t request, uint32_t part
) noexcept nogil:
    """Whether a request of that scan was answered with what the row holds."""
    cdef uint8_t wanted[FRAME_MAX]
    cdef const request_t *r = &layout.requests[request]
    cdef const uint8_t *data = row_data(layout, <uint8_t *>row) + (
        layout.parts[r.first_part + part].offset
    )
    cdef size_t size = layout.parts[r.first_part + part].bytes
    cdef uint64_t key = key_of(kind_of(w, device), r.spec, r.spec_size)
    # Rows count in microseconds.
    cdef int64_t half = <int64_t>row.half_span_us * 1000 + 2000
    cdef uint32_t i = said_from(w, row.mid_ns - half - (UNSURE if w.listens else 0))
    cdef size_t n
    cdef const said_t *s
    while i < w.said_count and w.said[i].at <= row.mid_ns + half:
        s = &w.said[i]
        i += 1
        if s.device != device or not (is_covered(s, r) if w.listens else (
            s.answered and s.key == key
        )):
            continue
        n = heard_data(device, s, r, i - 1, wanted) if w.listens else (
            expect(kind_of(w, device), device, r.spec, part, i - 1, wanted)
        )
        if n == size and memcmp(wanted, data, size) == 0:
            return True
    return False
