"""A heap of timers: every item always has one, NEVER is a time like any other.

What is due at one time comes in the order of its items: groups that share a bus are read in the
same order each time, so that their scans are evenly apart and the times of the rows cost few bytes.
"""

from libc.stdint cimport INT64_MAX, int32_t, int64_t
from libc.stdlib cimport calloc, free


cdef struct timer_t:
    int64_t due
    int32_t item


cdef struct timers_t:
    timer_t *heap    # the earliest first
    int32_t *index_of  # item -> index in the heap
    int32_t size


cdef inline bint make_timers(timers_t *t, int32_t items) noexcept nogil:
    """For items 0 on, none ever due; False: no memory. `free_timers` in any case."""
    cdef int32_t i
    t.heap = <timer_t *>calloc(items, sizeof(timer_t))
    t.index_of = <int32_t *>calloc(items, sizeof(int32_t))
    t.size = items
    if t.heap == NULL or t.index_of == NULL:
        return False
    for i in range(items):
        t.heap[i].due = INT64_MAX
        t.heap[i].item = t.index_of[i] = i
    return True


cdef inline void free_timers(timers_t *t) noexcept nogil:
    free(t.heap)
    free(t.index_of)


cdef inline void put_timer(timers_t *t, int32_t at, timer_t one) noexcept nogil:
    t.heap[at] = one
    t.index_of[one.item] = at


cdef inline bint is_before(timer_t a, timer_t b) noexcept nogil:
    return a.due < b.due or (a.due == b.due and a.item < b.item)


cdef inline void sift_up(timers_t *t, int32_t at) noexcept nogil:
    cdef timer_t one = t.heap[at]
    cdef int32_t above
    while at:
        above = (at - 1) // 2
        if is_before(t.heap[above], one):
            break
        put_timer(t, at, t.heap[above])
        at = above
    put_timer(t, at, one)


cdef inline void sift_down(timers_t *t, int32_t at) noexcept nogil:
    cdef timer_t one = t.heap[at]
    cdef int32_t below
    while True:
        below = 2 * at + 1
        if below >= t.size:
            break
        if below + 1 < t.size and is_before(t.heap[below + 1], t.heap[below]):
            below += 1
        if is_before(one, t.heap[below]):
            break
        put_timer(t, at, t.heap[below])
        at = below
    put_timer(t, at, one)


cdef inline void set_timer(timers_t *t, int32_t item, int64_t due) noexcept nogil:
    """Instead of the time that the item had before."""
    cdef int32_t at = t.index_of[item]
    cdef int64_t before = t.heap[at].due
    if due == before:
        return
    t.heap[at].due = due
    if due < before:
        sift_up(t, at)
    else:
        sift_down(t, at)
