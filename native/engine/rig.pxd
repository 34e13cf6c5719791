"""A shell without a wire and without a clock, as plain functions: see `rig.pyx`."""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from native.engine.link cimport Link
from native.engine.state cimport link_t
from native.engine.timers cimport timers_t
from native.wire.transport cimport ops_t

cdef enum:
    ROOM = 65536


cdef struct rig_t:
    link_t *l
    int64_t now
    timers_t timers          # a member each, and behind them the link
    const ops_t *own         # of the link's port, put back at the end
    bint awaits              # bytes come while the shell waits within the read
    bint visited             # a guest comes or leaves
    int64_t empty_at         # the port had nothing to read then: what is there now came later
    int64_t stopped          # when it was asked to stop, if it was
    # The other end:
    int refusal              # errno that an attempt to connect ends with; 0: somebody listens
    bint slow                # a connection is under way until `rig_connected`
    uint32_t opened          # how often it was tried to connect
    int hung_up              # errno of a read when nothing is left; 0: there is a connection
    bint stuck               # it takes no more bytes
    uint32_t overrun         # bytes that the kernel lost, as it tells of a serial port
    uint8_t arrived[ROOM]
    size_t arrived_size
    uint8_t sent[ROOM]
    size_t sent_size


# The link begins with its ticks due now; no loop may have it. False: no memory.
cdef bint rig_begin(rig_t *r, link_t *l, int64_t now) noexcept nogil
cdef void rig_end(rig_t *r) noexcept nogil
# Begin to connect.
cdef void rig_open(rig_t *r) noexcept nogil
# A connection that was under way is made, or fails as `refusal` says.
cdef void rig_connected(rig_t *r) noexcept nogil
# A device dials in, on a link of type "listen".
cdef void rig_dialled(rig_t *r) noexcept nogil
# Time passes, while the shell waits for what is announced.
cdef void rig_pass(rig_t *r, int64_t now) noexcept nogil
# Bytes arrive; False: more of them wait than there is room for.
cdef bint rig_feed(rig_t *r, const uint8_t *p, size_t n) noexcept nogil
# The same, and the shell does not look at the port: its thread is kept from running.
cdef bint rig_lay(rig_t *r, const uint8_t *p, size_t n) noexcept nogil
# The shell looks at the port, where epoll announces it; False: it does not.
cdef bint rig_look(rig_t *r) noexcept nogil
# What is due by now is done, ticks and all.
cdef void rig_due(rig_t *r) noexcept nogil
# When something is due next.
cdef int64_t rig_next(rig_t *r) noexcept nogil
# Who comes is read, who leaves has left once nothing of it is under way.
cdef void rig_visited(rig_t *r) noexcept nogil
# No new scan from now on; what is under way may take a while longer.
cdef void rig_stop(rig_t *r) noexcept nogil
# Whether it was stopped, and nothing is under way any more, or it took too long.
cdef bint rig_is_over(rig_t *r) noexcept nogil
# End as a loop does: what is open and what is due is accounted.
cdef void rig_finish(rig_t *r) noexcept nogil


cdef class Rig:
    cdef Link link
    cdef rig_t r
