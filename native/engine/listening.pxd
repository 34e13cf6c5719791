"""A link that only listens: see `listening.pyx`. A protocol's `listen` calls these for what it has
heard; `whose` NULL: a station that is none of ours.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t

from native.engine.protocol cimport station_t
from native.engine.state cimport link_t

# The answer to what was asked at `asked_at`: `data`, or a refusal where that is NULL. `since`: when
# it was asked for, at the earliest, where that is not so sure; 0: it can't be told for what it is.
cdef void listened_answer(
    link_t *l, station_t *whose, const uint8_t *data, uint8_t quality, uint16_t code,
    int64_t asked_at, int64_t since, int64_t now
) noexcept nogil
# No answer came, or a damaged one.
cdef void listened_failure(
    link_t *l, station_t *whose, uint8_t quality, int64_t asked_at, int64_t now
) noexcept nogil
cdef void listening_due(link_t *l, int32_t index, uint64_t tick, int64_t now) noexcept nogil
