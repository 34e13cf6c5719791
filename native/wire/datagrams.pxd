from native.wire.transport cimport ops_t


cdef const ops_t *datagram_ops() noexcept nogil
