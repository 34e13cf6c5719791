"""What a shell (the loop, the rig) calls of a link: it waits, reads and knows the time. No function
here does; writing, opening and closing are the port's.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from native.engine.state cimport link_t

cdef extern from *:
    """
    #define DRAIN_FOR INT64_C(600000000)
    """
    int64_t DRAIN_FOR  # ns: the longest that a stop waits for answers under way

cdef void link_due(link_t *l, int32_t index, uint64_t tick, int64_t now) noexcept nogil
cdef void link_open(link_t *l, int64_t now) noexcept nogil
cdef void link_connect(link_t *l, int64_t now) noexcept nogil
cdef bint link_offered(link_t *l, int64_t now) noexcept nogil
cdef void link_announced(link_t *l, int64_t empty_at, int64_t now) noexcept nogil
cdef uint8_t *link_room(link_t *l, size_t *room) noexcept nogil
cdef void link_arrived(link_t *l, ssize_t n, bint more, int64_t now) noexcept nogil
cdef bint link_wants_read(link_t *l, int64_t now) noexcept nogil
cdef void link_time(link_t *l, int64_t now) noexcept nogil
cdef bint link_idle(link_t *l) noexcept nogil
cdef void link_finish(link_t *l, int64_t stopped, int64_t now) noexcept nogil
