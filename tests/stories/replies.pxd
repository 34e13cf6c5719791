"""What machines answer in a story: see `replies.pyx`."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from tests.stories.machines cimport asked_t
from tests.stories.world cimport What, event_t, world_t

# Below `n`.
cdef uint32_t pick(world_t *w, uint32_t n) noexcept nogil
# Between the two, in nanoseconds.
cdef int64_t span(world_t *w, int64_t least, int64_t most) noexcept nogil
# Whether this fault happens now.
cdef bint strikes(world_t *w, int32_t fault) noexcept nogil
# Lines of the story, where it is told.
cdef void note(world_t *w, const char *what, object words) noexcept
cdef void tell(world_t *w, const char *what, const uint8_t *p, size_t n) noexcept nogil
cdef void tell_number(world_t *w, const char *what, int number) noexcept nogil
# An event to fill in; the last one again where there are too many.
cdef event_t *plan(world_t *w, What what, int64_t at) noexcept nogil
# Bytes, not before what is under way already.
cdef void send(world_t *w, int64_t at, const uint8_t *p, size_t n) noexcept nogil
# One byte is another one: each protocol with a check tells that.
cdef void spoil(world_t *w, uint8_t *p, size_t n) noexcept nogil
# Note a read that was heard, and what befalls the machines; whether it will be answered.
cdef bint is_read(world_t *w, const asked_t *a) noexcept nogil
# When the answer to a read that was just heard begins.
cdef int64_t answer_at(world_t *w, const asked_t *a) noexcept nogil
# The answer to the read with that number, and what goes wrong with it.
cdef void reply(world_t *w, asked_t *a, int64_t at, uint32_t serial) noexcept nogil
# To whatever was asked.
cdef void respond(world_t *w, asked_t *a) noexcept nogil
