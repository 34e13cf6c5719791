from libc.stdint cimport int64_t, uint8_t, uint16_t

from native.engine.protocol cimport flight_t
from native.engine.state cimport MISSES_LAST, link_t
from native.rows.store cimport request_t


cdef inline bint is_mute(const request_t *r) noexcept nogil:
    """Whether it brings no answer, though its device answers others."""
    return r.misses >= MISSES_LAST


# It was refused; and the device was too busy for it.
cdef void refused(
    link_t *l, const flight_t *f, uint8_t quality, uint16_t code, int64_t now
) noexcept nogil
cdef void busy(link_t *l, const flight_t *f, int64_t now) noexcept nogil
cdef void missed(link_t *l, const flight_t *f, int64_t now) noexcept nogil
