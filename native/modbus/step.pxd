from libc.stdint cimport int64_t

from native.engine.protocol cimport Verdict, plan_t, take_t
from native.modbus.codec cimport Found, ask_t, frame_t
from native.modbus.unit cimport modbus_t, own_t, unit_t

# Whether a check goes before the plan's request of `own`, which then is that.
cdef bint choose_check(
    const modbus_t *s, const plan_t *plan, unit_t *u, own_t *own, int64_t now
) noexcept nogil
# What came to a check; `found`: how it answers that.
cdef Verdict checked(
    const modbus_t *s, unit_t *u, const own_t *own, const frame_t *frame, Found found, take_t *t,
    int64_t now
) noexcept nogil
# What came to a request of the plan, of whichever unit, may tell too.
cdef void suspected(
    modbus_t *s, const own_t *own, const frame_t *frame, take_t *t, int64_t now
) noexcept nogil
# A request goes out; whether an answer would fit one of the last that did.
cdef void note_asked(modbus_t *s, const ask_t *ask) noexcept nogil
cdef bint asked_lately(const modbus_t *s, const frame_t *frame) noexcept nogil
# A check that nothing came to.
cdef void check_failed(unit_t *u) noexcept nogil
