"""Another master, whose line is only listened to: see `master.pyx`."""

from tests.stories.world cimport event_t, world_t

# Choose what he asks, and have him begin.
cdef void master_begin(world_t *w) noexcept nogil
# He asks, now.
cdef void master_asks(world_t *w) noexcept nogil
# A machine answers him, now: its event holds the request.
cdef void master_is_answered(world_t *w, const event_t *e) noexcept nogil
