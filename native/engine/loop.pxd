"""What a scan thread's loop is, as data."""

from libc.stdint cimport int32_t, int64_t, uint64_t

from native.engine.state cimport link_t
from native.engine.timers cimport timers_t


cdef struct slot_t:
    # A group of some link.
    link_t *link
    int32_t member


cdef struct loop_t:
    link_t **links
    int32_t link_count
    slot_t *slots
    int32_t slot_count
    timers_t timers      # one a slot, and from `slot_count` on one a link
    int epoll
    int bell             # an eventfd: rung for a stop, a guest, a connection that was offered
    bint running
    bint stopping
    bint ticking         # the first tick was due
    bint visited         # a guest comes or leaves
    int64_t start_least  # the first tick is not due before,
    int64_t start_most   # nor after
    bint old_kernel      # no epoll_pwait2 here
    uint64_t wakeups
    uint64_t turns       # times that it looked at what is due
    int64_t empty_at     # no port had anything to read then: what is there now came later
