from libc.stdint cimport int64_t

from native.engine.protocol cimport flight_t
from native.engine.state cimport device_t, link_t


# Before anything else is made of it: the device answered, or did not.
cdef void pause_kept(const link_t *l, device_t *d, const flight_t *f, int64_t now) noexcept nogil
cdef void pause_missed(const link_t *l, device_t *d, const flight_t *f, int64_t now) noexcept nogil
# What is known of it from an earlier run, in nanoseconds.
cdef void pause_known(device_t *d, int64_t pause_ns) noexcept nogil
