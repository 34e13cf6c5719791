from libc.stdint cimport int32_t, int64_t

from native.engine.state cimport device_t, link_t


cdef inline int64_t silent_at(const link_t *l, const device_t *d) noexcept nogil:
    """When the line has been silent long enough for a device."""
    return l.bus.free_at + max(<int64_t>0, d.silence_ns - l.bus.silence_ns)


cdef inline bint is_rather(const device_t *a, const device_t *b) noexcept nogil:
    """Whether `a` is tried before `b`: it was heard later (answers that came too late), or else was
    asked longer ago.
    """
    return a.heard_at > b.heard_at or (a.heard_at == b.heard_at and a.asked_at < b.asked_at)


cdef int32_t silent_ready(
    link_t *l, int32_t index, int64_t now, int64_t *when
) noexcept nogil
cdef void pay(link_t *l, device_t *d, int64_t now) noexcept nogil
