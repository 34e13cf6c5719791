"""The newest row of a group: its values for `jiahe watch`, how good it is for `status`."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from native.block.decode cimport decode_numbers, decode_text, text_valid
from native.block.filter cimport as_double, doubt_values
from native.rows.group cimport Group
from native.rows.props cimport fieldprops_t
from native.rows.store cimport (
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

from native.rows.shape import ORDERS


cdef uint8_t *copy_latest(Group group, layout_t **layout) except? NULL:
    """A copy of the newest row, to be freed; NULL before the first. No Python object is touched
    under the lock: a scan thread may wait for it.
    """
    cdef uint8_t *row = <uint8_t *>malloc(group.stride_max)
    if row == NULL:
        raise MemoryError
    pthread_mutex_lock(&group.g.lock)
    layout[0] = group.g.latest
    if layout[0] != NULL:
        memcpy(row, layout[0].latest, layout[0].stride)
    pthread_mutex_unlock(&group.g.lock)
    if layout[0] == NULL:
        free(row)
        return NULL
    return row


cdef struct now_t:
    # What a tag's field holds in the newest row.
    uint8_t quality
    int64_t value    # of a number, or a bool
    size_t size      # of a text
    uint8_t text[256]


cdef inline bint may_be_none(const field_t *f, const fieldprops_t *props) noexcept nogil:
    """Whether a field that was read well may hold no value, or a doubtful one."""
    return f.type >= TYPE_FLOAT32 or props.ranged or props.none_count


cdef uint8_t read_number(
    const field_t *f, const fieldprops_t *props, layout_t *layout, uint8_t *row, int64_t *value
) noexcept nogil:
    """Read one number into `value`; returns its quality."""
    cdef uint8_t quality = row_status(row)[f.part]
    decode_numbers(f, props, row_data(layout, row), layout.stride, 1, value, &quality)
    doubt_values(f, props, value, 1, &quality)
    return quality


cdef void read_field(
    Group group, layout_t *layout, uint8_t *row, int32_t i, now_t *now
) noexcept nogil:
    cdef const field_t *f = &layout.fields[i]
    cdef const fieldprops_t *props = &group.g.props[i]
    if f.type == TYPE_STRING:
        now.quality = row_status(row)[f.part]
        now.size = decode_text(f, row_data(layout, row), now.text)
        if now.quality < BAD and not text_valid(now.text, now.size, props.text_encoding):
            now.quality = BAD_NOT_A_VALUE
    else:
        now.quality = read_number(f, props, layout, row, &now.value)


def qualities(Group group not None) -> dict:
    """How many tags have which quality in the newest row; empty before the first. What a device's
    state is told from each second: no object a tag.
    """
    cdef layout_t *layout = NULL
    cdef uint32_t counts[256]
    cdef now_t now
    cdef uint8_t quality
    cdef uint8_t *row = copy_latest(group, &layout)
    if row == NULL:
        return {}
    memset(counts, 0, sizeof(counts))
    with nogil:
        for i in range(layout.field_count):
            quality = row_status(row)[layout.fields[i].part]
            if quality < BAD and may_be_none(&layout.fields[i], &group.g.props[i]):
                read_field(group, layout, row, i, &now)
                quality = now.quality
            counts[quality] += 1
        free(row)
    return {i: counts[i] for i in range(256) if counts[i]}


def orders_fitting(Group group not None) -> dict:
    """Of the newest row's tags that have limits, for each byte order by which some would read
    otherwise: (how many are outside now and would be inside, how many would be outside).
    """
    cdef layout_t *layout = NULL
    cdef const fieldprops_t *props
    cdef field_t other
    cdef uint32_t counts[4][2]
    cdef int64_t now = 0, then = 0
    cdef uint8_t quality, its
    cdef int order
    cdef uint8_t *row = copy_latest(group, &layout)
    if row == NULL:
        return {}
    memset(counts, 0, sizeof(counts))
    with nogil:
        for i in range(layout.field_count):
            other, props = layout.fields[i], &group.g.props[i]
            if not props.ranged or other.bit >= 0 or row_status(row)[other.part] != GOOD:
                continue
            if other.length != 2 and other.length != 4 and other.length != 8:
                continue
            quality = read_number(&other, props, layout, row, &now)
            for order in range(4):
                other.order = <uint8_t>order
                its = read_number(&other, props, layout, row, &then)
                if then == now:
                    continue
                if its != GOOD:
                    counts[order][1] += 1
                elif quality != GOOD:
                    counts[order][0] += 1
        free(row)
    return {
        name: (counts[order][0], counts[order][1])
        for name, order in ORDERS.items() if counts[order][0] or counts[order][1]
    }


def latest(Group group not None):
    """(time in boot ns, [(raw value or None, quality), one a tag]) of the newest row; None before
    the first.

    Raw: int, bool, float (a float32 as the double of the same value), or the bytes of a text.
    """
    cdef layout_t *layout = NULL
    cdef now_t now
    cdef uint8_t kind
    cdef uint8_t *row = copy_latest(group, &layout)
    if row == NULL:
        return None
    try:
        values = []
        for i in range(layout.field_count):
            read_field(group, layout, row, i, &now)
            kind = layout.fields[i].type
            if now.quality >= BAD:
                result = None
            elif kind == TYPE_STRING:
                result = PyBytes_FromStringAndSize(<char *>now.text, <Py_ssize_t>now.size)
            elif kind == TYPE_BOOL:
                result = now.value != 0
            elif kind == TYPE_FLOAT32 or kind == TYPE_FLOAT64:
                result = as_double(kind, now.value)
            elif kind == TYPE_UINT64:
                result = <uint64_t>now.value
            else:
                result = now.value
            values.append((result, now.quality))
        return (<row_t *>row).mid_ns, values
    finally:
        free(row)
