from native.transport cimport ops_t


cdef const ops_t *stream_ops() noexcept nogil
cdef const ops_t *datagram_ops() noexcept nogil
