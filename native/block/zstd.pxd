"""The system's libzstd, as this folder calls it."""

cdef enum:
    # Payloads up to these sizes are worth more of the processor: bytes on 5G are paid for.
    # docs/decisions/0009: level 19 costs some 200 ns a byte, 9 some 60, 3 some 8.
    SMALL_BYTES = 8 * 1024
    MIDDLE_BYTES = 64 * 1024


cdef extern from "<zstd.h>" nogil:
    ctypedef struct ZSTD_CCtx:
        pass
    ZSTD_CCtx *ZSTD_createCCtx() noexcept
    size_t ZSTD_freeCCtx(ZSTD_CCtx *) noexcept
    size_t ZSTD_compressCCtx(
        ZSTD_CCtx *, void *dst, size_t capacity, const void *src, size_t n, int level
    ) noexcept
    size_t ZSTD_compress(
        void *dst, size_t capacity, const void *src, size_t n, int level
    ) noexcept
    size_t ZSTD_compressBound(size_t n) noexcept
    unsigned ZSTD_isError(size_t code) noexcept
    size_t ZSTD_decompress(void *dst, size_t capacity, const void *src, size_t n) noexcept


cdef inline int level_for(size_t size) noexcept nogil:
    """The compression level for a payload of this size."""
    return 19 if size <= SMALL_BYTES else 9 if size <= MIDDLE_BYTES else 3
