"""A shell without a wire and without a clock, as plain functions: see `rig.pyx`."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from native.engine.link cimport Link
from native.engine.state cimport link_t
from native.wire.transport cimport ops_t

cdef enum:
    ROOM = 65536


cdef struct rig_t:
    link_t *l
    int64_t now
    uint64_t *ticks          # of each group: the one that is due next,
    bint *parked             # once its last scan has ended, and the link says so
    const ops_t *own         # of the link's port, put back at the end
    bint awaits              # bytes come while the shell waits within the read
    # The other end:
    int refusal              # errno that an attempt to connect ends with; 0: somebody listens
    bint slow                # a connection is under way until `rig_connected`
    uint32_t opened          # how often it was tried to connect
    int hung_up              # errno of a read when nothing is left; 0: there is a connection
    bint stuck               # it takes no more bytes
    uint8_t arrived[ROOM]
    size_t arrived_size
    uint8_t sent[ROOM]
    size_t sent_size


# The link begins with its ticks due now; no loop may have it. False: no memory.
cdef bint rig_begin(rig_t *r, link_t *l, int64_t now) noexcept nogil
cdef void rig_end(rig_t *r) noexcept nogil
# A connection that was under way is made, or fails as `refusal` says.
cdef void rig_connected(rig_t *r) noexcept nogil
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


cdef class Rig:
    cdef Link link
    cdef rig_t r
