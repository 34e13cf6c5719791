from native.wire.transport cimport ops_t


cdef const ops_t *serial_ops() noexcept nogil
