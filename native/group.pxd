from native.rows cimport group_t, layout_t


cdef class Group:
    cdef group_t g
    cdef public object plan
    cdef layout_t *layouts
    cdef layout_t *make_layout(self, object requests, object fields) except NULL
