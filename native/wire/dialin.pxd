from libc.stdint cimport int64_t, uint8_t

from native.wire.transport cimport ops_t, port_t


cdef const ops_t *dialin_ops() noexcept nogil
# From any thread: hands a connection to the port, which closes the last one if nobody took it.
cdef void dial_offer(port_t *p, int fd) noexcept nogil
cdef bint dial_waits(port_t *p) noexcept nogil
cdef void dial_forget(port_t *p) noexcept nogil
# Whether nothing, not even a heartbeat, was heard for longer than anything should take.
cdef bint dial_is_silent(const port_t *p, int64_t timeout_ns, int64_t now) noexcept nogil
# Length of the packet that begins at p; 0: none does; -1: one may, more must arrive to tell.
cdef ssize_t packet_at(const port_t *port, const uint8_t *p, size_t n) noexcept nogil
