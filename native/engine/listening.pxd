"""A link that only listens: see `listening.pyx`. A protocol's `listen` calls these for what it has
heard; `whose` NULL: a station that is none of ours.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t

from native.engine.protocol cimport station_t
from native.engine.state cimport link_t

# An answer was heard: `data`, or NULL and a refusal with `quality` and `code`. `asked_at`: when the
# request before it was heard. `since`: the earliest time at which what it answers can have been
# asked, `asked_at` where it surely answers that request; 0: it may answer anything.
cdef void listened_answer(
    link_t *l, station_t *whose, const uint8_t *data, uint8_t quality, uint16_t code,
    int64_t asked_at, int64_t since, int64_t now
) noexcept nogil
# What was asked at `asked_at` got no answer, or a damaged one: `quality` says which.
cdef void listened_failure(
    link_t *l, station_t *whose, uint8_t quality, int64_t asked_at, int64_t now
) noexcept nogil
cdef void listening_due(link_t *l, int32_t index, uint64_t tick, int64_t now) noexcept nogil
