"""What a tag asks beyond its value: rounding to a resolution, and reporting on change.

Both work on raw values in whole columns, at the seal. A filter's state (the last reported value)
lives in the group and survives a change of requests; a new epoch begins with a report of every tag.
"""

from libc.math cimport fabs, rint
from libc.float cimport FLT_MAX
from libc.stdint cimport (
    INT64_MAX,
    INT64_MIN,
    UINT64_MAX,
    int32_t,
    int64_t,
    uint8_t,
    uint32_t,
    uint64_t,
)
from libc.string cimport memcpy

from native.rows.store cimport (
    TYPE_BCD_SIGNED,
    TYPE_BOOL,
    TYPE_FLOAT32,
    TYPE_FLOAT64,
    TYPE_INT8,
    TYPE_INT16,
    TYPE_INT32,
    TYPE_INT64,
    TYPE_UINT8,
    TYPE_UINT16,
    TYPE_UINT32,
    TYPE_UINT64,
    field_t,
)
from native.rows.props cimport fieldprops_t, fieldstate_t
from native.reasons cimport BAD, GOOD, UNCERTAIN_OUT_OF_RANGE


cdef double as_double(uint8_t type, int64_t value) noexcept nogil:
    """The raw value as a number; exact up to 2^53."""
    cdef float narrow
    cdef double wide
    cdef int32_t bits
    if type == TYPE_FLOAT32:
        bits = <int32_t>value
        memcpy(&narrow, &bits, 4)
        return narrow
    if type == TYPE_FLOAT64:
        memcpy(&wide, &value, 8)
        return wide
    if type == TYPE_UINT64:
        return <double><uint64_t>value
    return <double>value


cdef inline double within(double value, double low, double high) noexcept nogil:
    return low if value < low else high if value > high else value


cdef int64_t from_double(const field_t *f, double value) noexcept nogil:
    """The raw value nearest to a number: inside the type, whatever the number."""
    cdef float narrow
    cdef int32_t bits
    cdef int64_t wide
    cdef uint8_t type = f.type
    cdef double most = 1
    if type == TYPE_FLOAT32:
        narrow = <float>within(value, -FLT_MAX, FLT_MAX)
        memcpy(&bits, &narrow, 4)
        return bits
    if type == TYPE_FLOAT64:
        memcpy(&wide, &value, 8)
        return wide
    value = rint(value)
    if type == TYPE_UINT64:
        # No double lies between 2^64 - 2^11 and 2^64.
        if value >= 18446744073709551616.0:
            return <int64_t>UINT64_MAX
        return <int64_t><uint64_t>value if value > 0 else 0
    if type == TYPE_INT64:
        if value >= 9223372036854775808.0:
            return INT64_MAX
        return INT64_MIN if value <= -9223372036854775808.0 else <int64_t>value
    if type == TYPE_BOOL:
        return <int64_t>within(value, 0, 1)
    if type == TYPE_INT16:
        return <int64_t>within(value, -32768, 32767)
    if type == TYPE_UINT16:
        return <int64_t>within(value, 0, 65535)
    if type == TYPE_INT32:
        return <int64_t>within(value, -2147483648.0, 2147483647)
    if type == TYPE_UINT32:
        return <int64_t>within(value, 0, 4294967295.0)
    if type == TYPE_INT8:
        return <int64_t>within(value, -128, 127)
    if type == TYPE_UINT8:
        return <int64_t>within(value, 0, 255)
    # 10^16 - 1 is a double, 8 x 10^15 - 1 too.
    for _ in range(2 * f.length - 1):
        most *= 10
    most *= 8 if type == TYPE_BCD_SIGNED else 10
    return <int64_t>within(value, 1 - most if type == TYPE_BCD_SIGNED else 0, most - 1)


cdef void doubt_values(
    const field_t *f, const fieldprops_t *p, const int64_t *values, uint32_t n, uint8_t *quality
) noexcept nogil:
    """A value outside the tag's min and max is a value, and uncertain."""
    cdef uint32_t i
    cdef double value
    if not p.ranged:
        return
    for i in range(n):
        value = as_double(f.type, values[i])
        if quality[i] == GOOD and not p.low <= value <= p.high:
            quality[i] = UNCERTAIN_OUT_OF_RANGE


cdef void round_values(
    const field_t *f, const fieldprops_t *p, int64_t *values, uint32_t n
) noexcept nogil:
    """Round each value (raw x scale + offset) to the nearest multiple of the tag's resolution.

    Integer raw values stay integers: where the resolution is no multiple of the scale, the raw
    value nearest to the rounded one is taken, so the error stays within half the resolution plus
    half a raw step.
    """
    cdef uint32_t i
    cdef double value
    cdef bint is_float = f.type == TYPE_FLOAT32 or f.type == TYPE_FLOAT64
    if p.resolution == 0 or (not is_float and p.resolution <= fabs(p.scale)):
        return
    for i in range(n):
        value = as_double(f.type, values[i]) * p.scale + p.offset
        if fabs(value / p.resolution) < 9e15:
            # The multiple is a whole number: one division makes it the float nearest to its
            # decimal.
            value = rint(value / p.resolution) * p.step_up / p.step_down - p.zero
            values[i] = from_double(f, value)


cdef uint32_t pick_changes(
    const field_t *f, const fieldprops_t *p, fieldstate_t *state, const int64_t *values,
    const uint8_t *quality, const int64_t *times, uint32_t n, uint32_t *rows
) noexcept nogil:
    """The rows to report: the first of all, each change of quality, each change of a value by more
    than the dead band, and one after `at_least_ns` of silence. Uncertain values are values.
    Returns how many.
    """
    cdef uint32_t i, picked = 0
    cdef bint report
    cdef double last, band
    for i in range(n):
        report = (
            not state.reported
            or quality[i] != state.last_quality
            or times[i] - state.last_ns >= p.at_least_ns
        )
        if not report and quality[i] < BAD and values[i] != state.last_value:
            if p.deadband > 0:
                last = as_double(f.type, state.last_value)
                band = p.deadband
                if p.deadband_percent:
                    # Percent of the value, not of the raw: the offset counts.
                    band *= fabs(last + (p.offset / p.scale if p.scale else 0))
                report = fabs(as_double(f.type, values[i]) - last) > band
            else:
                report = True
        if report:
            state.reported = True
            state.last_quality = quality[i]
            state.last_ns = times[i]
            if quality[i] < BAD:
                state.last_value = values[i]
            rows[picked] = i
            picked += 1
    return picked
