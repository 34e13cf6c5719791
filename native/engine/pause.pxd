from libc.stdint cimport int64_t

from native.engine.protocol cimport flight_t, pause_t, station_t
from native.engine.state cimport device_t, link_t


# Before anything else is made of it: the device answered, or did not.
cdef void pause_kept(const link_t *l, device_t *d, const flight_t *f, int64_t now) noexcept nogil
cdef void pause_missed(const link_t *l, device_t *d, const flight_t *f, int64_t now) noexcept nogil
# What the file says, of one of the devices, in nanoseconds; the longest holds.
cdef void pause_told(station_t *station, int64_t ns) noexcept nogil
# What is known of it from an earlier run, likewise.
cdef void pause_known(device_t *d, int64_t ns) noexcept nogil
