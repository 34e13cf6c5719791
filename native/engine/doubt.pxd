from libc.stdint cimport int64_t, uint8_t

from native.engine.bus cimport others_t
from native.engine.protocol cimport station_t, take_t
from native.engine.state cimport link_t

cdef object others_of(const others_t *o, int64_t now)
cdef void doubt_station(
    link_t *l, const station_t *station, uint8_t quality, int64_t now
) noexcept nogil
cdef void other_asked(link_t *l, const take_t *t, bint heard, int64_t now) noexcept nogil
