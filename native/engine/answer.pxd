from libc.stdint cimport int32_t, int64_t

from native.engine.protocol cimport Verdict, take_t
from native.engine.state cimport link_t

cdef void take_answer(link_t *l, int32_t i, int64_t now) noexcept nogil
cdef void take_refusal(link_t *l, Verdict verdict, const take_t *t, int64_t now) noexcept nogil
cdef void no_answer(link_t *l, int32_t i, int64_t now) noexcept nogil
# On a line, and on a stream: flight `i`.
cdef void damaged(link_t *l, int64_t now) noexcept nogil
cdef void damaged_inside(link_t *l, int32_t i, int64_t now) noexcept nogil
cdef void settled(link_t *l, int64_t now) noexcept nogil
cdef void stray(link_t *l, const take_t *t, int64_t now) noexcept nogil
cdef void ask_later(link_t *l, const take_t *t, int64_t now) noexcept nogil
