"""Machines whose values tell who said them, at which address, and to which request."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum Kind:
    RTU = 0
    ASCII = 1
    TCP = 2
    METER = 3   # DL/T 645
    S7 = 4
    MIXED = 5   # a line with units of RTU and meters: devices are one or the other

cdef enum:
    FRAME_MAX = 1100

cdef enum What:
    GREETING = 0  # part of a handshake: no read
    READ = 1
    ADDRESS = 2   # a meter is asked who it is


cdef struct asked_t:
    # One request, as it was heard.
    What what
    Kind kind            # never MIXED
    int32_t device       # -1: none of those here
    uint64_t key         # of what is read: equal to `key_of` of the plan's request
    size_t size
    uint8_t frame[FRAME_MAX]


# By the kind of the line:

# The first request in `p`; the bytes that it takes, 0 where it is none.
cdef size_t hear(Kind kind, const uint8_t *p, size_t n, int32_t devices, asked_t *a) noexcept nogil
# By the kind of what is asked:
# The right answer, with the values of request number `serial`.
cdef size_t answer(const asked_t *a, uint32_t serial, uint8_t *out) noexcept nogil
# A refusal: Modbus exception, a meter's error word, an S7 item's code.
cdef size_t refuse(const asked_t *a, uint8_t code, uint8_t *out) noexcept nogil
# By the kind of the line: an answer that is sound in itself and not to what we ask; of a meter it
# may be one of ours that is asked for something else.
cdef size_t foreign(Kind kind, uint64_t random, uint8_t *out) noexcept nogil
# By the kind of the device: what of a plan's request tells it from others.
cdef uint64_t key_of(Kind kind, const uint8_t *spec, size_t n) noexcept nogil
# The data of one part of the row, had `serial` been answered to this request; bytes, at most
# FRAME_MAX.
cdef size_t expect(
    Kind kind, int32_t device, const uint8_t *spec, uint32_t part, uint32_t serial, uint8_t *out
) noexcept nogil
# The checksum of Modbus RTU.
cdef uint16_t crc(const uint8_t *p, size_t n) noexcept nogil
