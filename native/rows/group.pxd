from libc.stdint cimport int32_t, uint32_t

from native.rows.store cimport group_t, layout_t, pool_t
from native.rows.shape cimport Answers, Shape


cdef class Pool:
    cdef pool_t p


cdef class Group:
    cdef group_t g
    cdef public object plan
    cdef Shape shape
    cdef Pool pool
    cdef Answers first    # what its plan asks
    cdef dict answers     # of its layouts that are in use, by their serial
    cdef layout_t *layouts
    cdef uint32_t serial  # of the newest layout
    cdef uint32_t stride_max  # of all layouts so far
    cdef object spec_of(self, uint32_t serial, int32_t number)
    cdef void remember(self, layout_t *layout)
    cdef void free_old(self)
    cdef layout_t *make_layout(self, Answers answers) except NULL
