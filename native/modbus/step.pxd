from libc.stdint cimport int64_t

from native.engine.protocol cimport Verdict, plan_t, take_t
from native.modbus.codec cimport Found, ask_t, frame_t
from native.modbus.unit cimport modbus_t, own_t, unit_t

# Whether a check must be sent before the plan's request; if so, `own` becomes the check.
cdef bint choose_check(
    const modbus_t *s, const plan_t *plan, unit_t *u, own_t *own, int64_t now
) noexcept nogil
# Takes what came as answer to a check; `found`: how it fits.
cdef Verdict checked(
    const modbus_t *s, unit_t *u, const own_t *own, const frame_t *frame, Found found, take_t *t,
    int64_t now
) noexcept nogil
# An answer to a request of the plan, from any unit, may show that a unit is behind, too.
cdef void suspected(
    modbus_t *s, const own_t *own, const frame_t *frame, take_t *t, int64_t now
) noexcept nogil
# Notes a request that is sent; whether an answer fits one of the last requests sent.
cdef void note_asked(modbus_t *s, const ask_t *ask) noexcept nogil
cdef bint asked_lately(const modbus_t *s, const frame_t *frame) noexcept nogil
# A check got no answer.
cdef void check_failed(unit_t *u) noexcept nogil
