from libc.stdint cimport int32_t, int64_t

from native.engine.protocol cimport Verdict, flight_t, take_t
from native.modbus.codec cimport frame_t
from native.modbus.unit cimport modbus_t, unit_t

cdef extern from *:
    """
    #define REPLY_USUAL INT64_C(60000000)
    """
    int64_t REPLY_USUAL  # how long most devices take to answer another master

# Whether the frame may be an answer that the unit still owes us.
cdef bint may_owe(const unit_t *u, const frame_t *frame) noexcept nogil
# Handle a whole answer to no request in flight, and a whole request.
cdef Verdict stray(
    modbus_t *s, const frame_t *frame, flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil
cdef Verdict asked_by_other(
    modbus_t *s, const frame_t *frame, flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil
