"""Time on the box: CLOCK_BOOTTIME in nanoseconds. It never steps and counts suspended time too."""

from libc.stdint cimport int64_t

cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    cdef struct timespec:
        time_t tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec *ts) noexcept
    int CLOCK_BOOTTIME

cdef extern from *:
    """
    #define MS INT64_C(1000000)
    #define NEVER INT64_MAX
    """
    int64_t MS
    int64_t NEVER


cdef inline int64_t boot_ns() noexcept nogil:
    cdef timespec ts
    clock_gettime(CLOCK_BOOTTIME, &ts)
    return <int64_t>ts.tv_sec * 1000000000 + ts.tv_nsec
