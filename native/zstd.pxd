"""The system's libzstd, as this folder calls it."""

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
