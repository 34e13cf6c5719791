from native.wire.transport cimport port_t


cdef class Port:
    cdef port_t p
    cdef readonly object secured  # native.wire.tls.Secured; None: plain
