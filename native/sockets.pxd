from native.transport cimport ops_t


cdef const ops_t *stream_ops() noexcept nogil
cdef const ops_t *datagram_ops() noexcept nogil
# The options of every TCP socket; `unacked_ms`: how long data may stay unacknowledged.
cdef void stream_options(int fd, int unacked_ms) noexcept nogil
