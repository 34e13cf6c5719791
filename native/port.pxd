from native.transport cimport port_t


cdef class Port:
    cdef port_t p
    cdef readonly object secured  # native.tls.Secured; None: plain
