"""What groups alike have in common: made once, however many devices have the same plan."""

from libc.stdint cimport int32_t, uint32_t, uint64_t

from native.rows.props cimport fieldprops_t
from native.rows.store cimport field_t, part_t, request_t


cdef class Answers:
    # The requests of a plan, and where each tag lies in their answers.
    cdef object __weakref__
    cdef tuple plan
    cdef request_t *requests      # whose words `plan` keeps
    cdef part_t *parts
    cdef field_t *fields
    cdef int32_t request_count
    cdef int32_t part_count
    cdef int32_t field_count
    cdef uint32_t data_bytes      # of one row
    cdef uint32_t stride          # of one row in the store
    cdef int fill_field(self, field_t *f, object field) except -1


cdef class Shape:
    # What a plan asks of its tags, and of a store.
    cdef object __weakref__
    cdef tuple plan
    cdef fieldprops_t *props
    cdef uint64_t *none           # what the props of all tags point to
    cdef int32_t state_count      # tags that are reported on change
    cdef uint32_t row_capacity    # rows that surely fit into one block


# Those of groups alike are one object: alike are plans whose parts are the same objects.
cdef Answers answers_of(object requests, object fields)
cdef Shape shape_of(object plan)
