from libc.stdint cimport int64_t

from native.engine.protocol cimport Prep, flight_t, out_t, plan_t
from native.modbus.unit cimport modbus_t, own_t, unit_t

cdef Prep choose_ask(
    modbus_t *s, const plan_t *plan, flight_t *f, out_t *out, int64_t now
) noexcept nogil
cdef void give_up(modbus_t *s, unit_t *u, const own_t *own, int64_t now) noexcept nogil
