"""Pushed values on their way to the sealer."""

from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free

from native.rows.store cimport (
    PUSHED_MAX,
    batch_t,
    group_t,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)


cdef inline size_t batch_size(const batch_t *b) noexcept nogil:
    return sizeof(batch_t) + b.times_size + b.columns_size


cdef inline const uint8_t *batch_times(const batch_t *b) noexcept nogil:
    return <const uint8_t *>(b + 1)


cdef inline const uint8_t *batch_columns(const batch_t *b) noexcept nogil:
    return batch_times(b) + b.times_size


cdef inline bint group_push(group_t *g, batch_t *b) noexcept nogil:
    """Behind those that wait; the group owns it then. False: there is no room."""
    cdef bint fits
    pthread_mutex_lock(&g.lock)
    fits = g.pushed_bytes + batch_size(b) <= PUSHED_MAX
    if fits:
        b.next = NULL
        if g.pushed == NULL:
            g.pushed = b
        else:
            g.pushed_last.next = b
        g.pushed_last = b
        g.pushed_bytes += batch_size(b)
    pthread_mutex_unlock(&g.lock)
    return fits


cdef inline batch_t *group_take_pushed(group_t *g, uint64_t *next_tick) noexcept nogil:
    """All that wait, the oldest first; the caller's from now on. Before which tick they were taken.
    """
    cdef batch_t *first
    pthread_mutex_lock(&g.lock)
    next_tick[0] = g.next_tick
    first = g.pushed
    g.pushed = g.pushed_last = NULL
    g.pushed_bytes = 0
    pthread_mutex_unlock(&g.lock)
    return first


cdef inline void free_batches(batch_t *b) noexcept nogil:
    cdef batch_t *following
    while b != NULL:
        following = b.next
        free(b)
        b = following
