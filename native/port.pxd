from native.transport cimport port_t


cdef class Port:
    cdef port_t p
