from native.engine.protocol cimport listen_t


cdef listen_t OVERHEAR
