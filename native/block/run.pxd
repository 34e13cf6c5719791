from libc.stdint cimport uint8_t, uint64_t

from native.block.column cimport scratch_t
from native.rows.store cimport batch_t, group_t, store_t

# One group's store (NULL: no tick was due before `next_tick`), and what was pushed meanwhile, as a
# GroupRun, field 2 of the payload; the new end.
cdef uint8_t *put_run(
    uint8_t *p, group_t *g, store_t *s, uint64_t next_tick, const batch_t *pushed, scratch_t *t
) noexcept nogil
