"""The engine's tables for Modbus: RTU, ASCII and TCP. What proves that an answer is the one asked
for is in `tcp` and `line`; a bus of another master in `overhear`.
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int64_t, uint16_t
from libc.string cimport memset

from native.engine.protocol cimport OWN_BYTES, PROTOCOL_ABI, out_t, protocol_t, station_t
from native.modbus.line cimport (
    doubts_line,
    ended_line,
    may_begin_ascii,
    may_begin_rtu,
    prepare_ascii,
    prepare_rtu,
    take_ascii,
    take_rtu,
)
from native.modbus.overhear cimport OVERHEAR
from native.modbus.stream cimport may_begin_tcp
from native.modbus.tcp cimport doubts_tcp, ended_tcp, prepare_tcp, take_tcp
from native.modbus.unit cimport doubt_ns, modbus_t, own_t, unit_t


cdef bint enrol(void *session, void *station) noexcept nogil:
    return (<station_t *>station).address_size == 1


cdef int begin(void *session, out_t *out, int64_t now) noexcept nogil:
    cdef modbus_t *s = <modbus_t *>session
    # Not from 1, so that a device that counts ids by itself does not match by chance.
    s.transaction = <uint16_t>(s.head.seed >> 10) if s.transaction == 0 else s.transaction
    s.sent_here = 0
    s.wrong_in_a_row = s.unanswered = 0
    s.head.window = 1
    s.hearing = False
    s.claim_count = 0
    s.doubt_until = now + doubt_ns(&s.head)
    return 0


cdef protocol_t RTU_TABLE, ASCII_TABLE, TCP_TABLE
memset(&RTU_TABLE, 0, sizeof(protocol_t))
RTU_TABLE.abi, RTU_TABLE.name, RTU_TABLE.line = PROTOCOL_ABI, "modbus rtu", True
RTU_TABLE.session_bytes, RTU_TABLE.station_bytes = sizeof(modbus_t), sizeof(unit_t)
RTU_TABLE.enrol, RTU_TABLE.begin = enrol, begin
RTU_TABLE.prepare, RTU_TABLE.take, RTU_TABLE.ended = prepare_rtu, take_rtu, ended_line
RTU_TABLE.may_begin, RTU_TABLE.doubts = may_begin_rtu, doubts_line
ASCII_TABLE = RTU_TABLE
RTU_TABLE.listen = &OVERHEAR
ASCII_TABLE.name, ASCII_TABLE.may_begin = "modbus ascii", may_begin_ascii
ASCII_TABLE.prepare, ASCII_TABLE.take = prepare_ascii, take_ascii
TCP_TABLE = ASCII_TABLE
TCP_TABLE.name, TCP_TABLE.line, TCP_TABLE.may_begin = "modbus tcp", False, may_begin_tcp
TCP_TABLE.doubts = doubts_tcp
TCP_TABLE.prepare, TCP_TABLE.take, TCP_TABLE.ended = prepare_tcp, take_tcp, ended_tcp

assert sizeof(own_t) <= OWN_BYTES

#: The table of each framing, for `drivers.api.Station`.
PROTOCOLS = {
    "rtu": PyCapsule_New(&RTU_TABLE, "protocol_t", NULL),
    "ascii": PyCapsule_New(&ASCII_TABLE, "protocol_t", NULL),
    "tcp": PyCapsule_New(&TCP_TABLE, "protocol_t", NULL),
}
