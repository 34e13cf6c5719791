"""What the loop calls of a link. No system call but the port's, no clock but `link_await`'s."""

from libc.stdint cimport int32_t, int64_t, uint64_t

from native.engine.state cimport link_t

cdef void link_due(link_t *l, int32_t index, uint64_t tick, int64_t now) noexcept nogil
cdef void link_open(link_t *l, int64_t now) noexcept nogil
cdef void link_connect(link_t *l, int64_t now) noexcept nogil
cdef bint link_offered(link_t *l, int64_t now) noexcept nogil
cdef void link_readable(link_t *l, int64_t now) noexcept nogil
cdef int64_t link_await(link_t *l) noexcept nogil
cdef void link_time(link_t *l, int64_t now) noexcept nogil
cdef bint link_idle(link_t *l) noexcept nogil
cdef void link_finish(link_t *l, int64_t stopped, int64_t now) noexcept nogil
