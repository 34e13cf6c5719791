from native.wire.transport cimport line_t, port_t


cdef class Port:
    cdef port_t p
    cdef readonly object secured  # native.wire.tls.Secured; None: plain


cdef line_t line_of(object spec)
