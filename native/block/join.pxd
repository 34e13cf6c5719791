"""Runs of successive blocks, joined: see join.pyx."""

from libc.stdint cimport uint32_t

from native.block.joiner cimport Fault, joiner_t
from native.block.wirefields cimport span_t

# Note the runs of one block's payload; its other fields are copied, one after another, to rest.p.
cdef Fault walk_block(joiner_t *j, uint32_t block, span_t payload, span_t *rest) noexcept nogil

# Everything noted, as runs of a BundlePayload, into j.out.
cdef Fault put_runs(joiner_t *j) noexcept nogil

cdef void let_go(joiner_t *j) noexcept nogil
