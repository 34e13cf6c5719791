"""The C library's heap, told to stay as small as what is used of it.

Left alone, glibc gives each thread an arena of its own, and after the first large block that is
freed it keeps the like for later: a daemon that once had a backlog stays as large as that made it.
"""

cdef extern from "<malloc.h>" nogil:
    int mallopt(int parameter, int value) noexcept
    int malloc_trim(size_t pad) noexcept
    int M_ARENA_MAX
    int M_MMAP_THRESHOLD
    int M_TRIM_THRESHOLD

cdef enum:
    ARENAS = 2
    LARGE = 128 << 10  # what goes back to the system as soon as it is free, at least
    LARGE_MOST = 8 << 20
    TAG_BYTES = 16     # a tag's part of what is needed each second: to join blocks, to pack them


def settle(int tags) -> None:
    """For the whole process, before it has threads. A box of many `tags` keeps as much as it needs
    each second: else the kernel clears the same pages for it each time.
    """
    cdef int large = min(LARGE_MOST, max(LARGE, TAG_BYTES * tags))
    mallopt(M_ARENA_MAX, ARENAS)
    mallopt(M_MMAP_THRESHOLD, large)
    mallopt(M_TRIM_THRESHOLD, large)


def trim() -> None:
    """Give back what is free now. Some milliseconds a hundred megabytes."""
    with nogil:
        malloc_trim(0)
