from libc.stdint cimport int32_t, int64_t, uint64_t

from native.engine.state cimport device_t, link_t
from native.rows.group cimport Group
from native.wire.port cimport Port


cdef class Link:
    cdef link_t l
    cdef Port port
    cdef object spec
    cdef list groups
    cdef list stations
    cdef list protocols   # capsules of them, as the sessions are in order
    cdef set_sessions(self)
    cdef set_line(self, device_t *d, object spec)
    cdef list guests      # their groups, kept while the scan thread may look at them
    cdef set_devices(self, object devices)
    cdef bint invite(self, int32_t device, Group group)
    cdef see_off(self, Group group)
    cdef set_stations(self)
    cdef uint64_t events_taken
    cdef object busy_marks  # deque of (boot ns, busy ns)
    cdef set_wire(self, int32_t in_flight)
    cdef double busy_share(self, int64_t now)
