"""Whether what a row of a story holds is what was said: see `story`."""

from libc.stdint cimport int32_t, uint32_t, uint64_t

from native.rows.store cimport layout_t, request_t, row_t
from tests.stories.world cimport world_t

# Whether a request of that scan was answered with what a part of the row holds.
cdef bint is_true(
    world_t *w, int32_t device, layout_t *layout, row_t *row, int32_t request, uint32_t part
) noexcept nogil
# Whether it never answered and was refused often enough to rest for long (contracts.md, 6).
cdef bint may_be_set_aside(world_t *w, int32_t device, const request_t *r) noexcept nogil
# Whether another master asked for it, or for anything of the group, and got it within a tick.
cdef bint is_heard(
    world_t *w, int32_t member, const request_t *r, uint64_t tick
) noexcept nogil
cdef bint is_any_heard(world_t *w, int32_t member, uint64_t tick) noexcept nogil
