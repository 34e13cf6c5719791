from native.rows.store cimport group_t, layout_t, pool_t
from native.rows.shape cimport Shape


cdef class Pool:
    cdef pool_t p


cdef class Group:
    cdef group_t g
    cdef public object plan
    cdef Shape shape
    cdef Pool pool
    cdef list answers     # of its layouts
    cdef layout_t *layouts
    cdef layout_t *make_layout(self, object requests, object fields) except NULL
