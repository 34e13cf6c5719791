from native.wire.transport cimport port_t, target_t, targets_t


# The options of every TCP socket; `unacked_ms`: how long data may stay unacknowledged.
cdef void stream_options(int fd, int unacked_ms) noexcept nogil
cdef int connect_to(const port_t *p, const target_t *target) noexcept nogil
cdef int connect_error(int fd) noexcept nogil  # of a connect that has ended; 0: it is made
cdef int place_of(const targets_t *targets, const target_t *one) noexcept nogil
# Connects to the addresses of the newest list; 0: connected, WAIT_RACE, or -errno if none works.
cdef int race_open(port_t *p) noexcept nogil
cdef int race_on(port_t *p) noexcept nogil
cdef void race_end(port_t *p) noexcept nogil
