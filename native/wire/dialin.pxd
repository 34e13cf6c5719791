from libc.stdint cimport int64_t

from native.engine.state cimport link_t
from native.wire.transport cimport ops_t, port_t


cdef const ops_t *dialin_ops() noexcept nogil
# Any thread. The connection is the port's from here on; one that nobody took is closed.
cdef void dial_offer(port_t *p, int fd) noexcept nogil
cdef bint dial_waits(port_t *p) noexcept nogil
cdef void dial_forget(port_t *p) noexcept nogil
cdef bint dial_is_useless(link_t *l, int64_t now) noexcept nogil
cdef bint swallow(link_t *l, size_t *at) noexcept nogil
cdef bint is_torn(link_t *l, size_t at) noexcept nogil
