"""The newest row of a group as Python values: for `jiahe watch`, not for the hot path."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from native.decode cimport decode_numbers, decode_text, text_valid
from native.filter cimport as_double
from native.group cimport Group
from native.rows cimport (
    TYPE_BOOL,
    TYPE_FLOAT32,
    TYPE_FLOAT64,
    TYPE_STRING,
    TYPE_UINT64,
    field_t,
    layout_t,
    pthread_mutex_lock,
    pthread_mutex_unlock,
    row_data,
    row_status,
    row_t,
)
from native.reasons cimport BAD, BAD_NOT_A_VALUE, GOOD


def latest(Group group not None):
    """(time in boot ns, [(raw value or None, quality), one a tag]) of the newest row; None before
    the first.

    Raw: int, bool, float (a float32 as the double of the same value), or the bytes of a text.
    """
    cdef layout_t *layout
    cdef const field_t *f
    cdef uint8_t text[256]
    cdef uint8_t quality
    cdef int64_t value = 0
    cdef size_t size
    cdef uint8_t *row = <uint8_t *>malloc(group.shape.row_bytes_max)
    if row == NULL:
        raise MemoryError
    try:
        pthread_mutex_lock(&group.g.lock)
        layout = group.g.latest
        if layout != NULL:
            memcpy(row, layout.latest, layout.stride)
        pthread_mutex_unlock(&group.g.lock)
        if layout == NULL:
            return None
        values = []
        for i in range(layout.field_count):
            f = &layout.fields[i]
            quality = row_status(row)[f.request]
            result = None
            if f.type == TYPE_STRING:
                size = decode_text(f, row_data(layout, row), text)
                if quality == GOOD and not text_valid(text, size, group.g.props[i].text_encoding):
                    quality = BAD_NOT_A_VALUE
                result = PyBytes_FromStringAndSize(<char *>text, <Py_ssize_t>size)
            else:
                decode_numbers(f, row_data(layout, row), layout.stride, 1, &value, &quality)
                if f.type == TYPE_BOOL:
                    result = value != 0
                elif f.type == TYPE_FLOAT32 or f.type == TYPE_FLOAT64:
                    result = as_double(f.type, value)
                elif f.type == TYPE_UINT64:
                    result = <uint64_t>value
                else:
                    result = value
            values.append((result if quality < BAD else None, quality))
        return (<row_t *>row).mid_ns, values
    finally:
        free(row)
