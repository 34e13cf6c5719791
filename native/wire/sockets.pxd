"""TCP sockets, and the functions of them that `tls` uses."""

from native.wire.transport cimport counters_t, ops_t, port_t


cdef const ops_t *stream_ops() noexcept nogil
cdef int net_open(port_t *p) noexcept nogil
cdef int net_connected(port_t *p) noexcept nogil   # 0, WAIT_RACE, or -errno of one that failed
cdef void net_close(port_t *p) noexcept nogil
cdef int no_count(port_t *p, counters_t *c) noexcept nogil
