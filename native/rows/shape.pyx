"""What groups alike have in common: made once, however many devices have the same plan."""

from libc.stdint cimport int32_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free

from native.rows.props cimport fill_props
from native.rows.store cimport (
    TYPE_BCD16,
    TYPE_BCD32,
    TYPE_BOOL,
    TYPE_FLOAT32,
    TYPE_FLOAT64,
    TYPE_INT16,
    TYPE_INT32,
    TYPE_INT64,
    TYPE_STRING,
    TYPE_UINT16,
    TYPE_UINT32,
    TYPE_UINT64,
    field_t,
    fieldprops_t,
    request_t,
    row_t,
)

from weakref import WeakValueDictionary

TYPES = {
    "bool": TYPE_BOOL, "int16": TYPE_INT16, "uint16": TYPE_UINT16, "int32": TYPE_INT32,
    "uint32": TYPE_UINT32, "int64": TYPE_INT64, "uint64": TYPE_UINT64, "float32": TYPE_FLOAT32,
    "float64": TYPE_FLOAT64, "bcd16": TYPE_BCD16, "bcd32": TYPE_BCD32, "string": TYPE_STRING,
}
ORDERS = {"ABCD": 0, "CDAB": 1, "BADC": 2, "DCBA": 3}

#: What one store's rows may come to when encoded: half a block, so that any group fits into one.
STORE_BYTES_MAX = 512 * 1024
#: A varint of 64 bits.
VALUE_BYTES_MAX = 10
#: The data part of one answer (V1.1b3 sections 6.1 to 6.4).
ANSWER_BYTES_MAX = 250
#: Rows that a store holds at most, so that the sealer's scratch stays small.
ROWS_MAX = 8192

#: By the identity of a plan's parts, which the value keeps alive.
_answers = WeakValueDictionary()
_shapes = WeakValueDictionary()


cdef size_t data_bytes_max(object plan) except 0:
    """The most that any requests for the plan's tags can bring, however a device's limits change.

    Requests read runs of neighbours with what lies between them, as far as one answer reaches (250
    bytes), and some tags once more alone. A smaller limit may well bridge more than a larger one.
    """
    spaces = {}
    for field in plan.fields:
        r = plan.requests[field.request]
        bits = 8 if r.function > 2 else 1
        first = (16 if r.function > 2 else 1) * r.address + bits * field.offset
        spaces.setdefault(r.function, []).append((first, first + bits * field.length))
    asked = total = 0
    for r in plan.requests:
        asked += 2 * r.count if r.function > 2 else (r.count + 7) // 8
    for stretches in spaces.values():
        end = None
        for first, last_1 in sorted(stretches):
            own = (last_1 - first + 7) // 8 + 3  # rounded up to whole registers or bytes
            between = 0 if end is None or first <= end else (first - end + 7) // 8
            total += 2 * own + min(between, ANSWER_BYTES_MAX)
            end = last_1 if end is None else max(end, last_1)
    return max(asked, total)


cdef class Shape:
    """Of `plan`, as `native.rows.group.Group` takes it, with the same errors."""

    def __cinit__(self, object plan):
        cdef int i
        if not plan.tags or len(plan.tags) != len(plan.fields):
            raise ValueError("a group needs one field a tag, and a tag at least")
        self.plan = (plan.tags, plan.requests, plan.fields)
        most = STORE_BYTES_MAX // (
            VALUE_BYTES_MAX * (len(plan.tags) + 1) + sum(tag.length for tag in plan.tags)
        )
        if most < 2:
            raise ValueError("too many tags for one block: give some of them another period")
        self.row_capacity = <uint32_t>min(most, ROWS_MAX)
        self.requests_max = <int32_t>max(len(plan.tags), len(plan.requests))
        size = sizeof(row_t) + self.requests_max + data_bytes_max(plan) + 16
        self.row_bytes_max = (size + 7) & ~7
        self.props = <fieldprops_t *>calloc(len(plan.tags), sizeof(fieldprops_t))
        if self.props == NULL:
            raise MemoryError
        for i, tag in enumerate(plan.tags):
            fill_props(&self.props[i], tag)
            if self.props[i].on_change:
                self.props[i].state = self.state_count
                self.state_count += 1

    def __dealloc__(self):
        free(self.props)


cdef class Answers:
    """Raises ValueError for requests that can't be, or fields that are not in their answers."""

    def __cinit__(self, object requests, object fields):
        cdef request_t *r
        cdef field_t *f
        cdef uint32_t offset = 0
        cdef int i
        self.plan = (requests, fields)
        self.requests = <request_t *>calloc(len(requests), sizeof(request_t))
        self.fields = <field_t *>calloc(len(fields), sizeof(field_t))
        if self.requests == NULL or self.fields == NULL:
            raise MemoryError
        self.request_count = <int32_t>len(requests)
        self.field_count = <int32_t>len(fields)
        for i, request in enumerate(requests):
            r = &self.requests[i]
            r.function, r.address, r.count = request.function, request.address, request.count
            most = 2000 if r.function <= 2 else 125
            if not 1 <= r.function <= 4 or not 1 <= r.count <= most or r.address + r.count > 65536:
                raise ValueError(f"no request can be {request}")
            r.data_bytes = <uint16_t>(2 * r.count if r.function > 2 else (r.count + 7) // 8)
            r.offset = offset
            offset += r.data_bytes
        self.data_bytes = offset
        self.stride = (<uint32_t>sizeof(row_t) + self.request_count + offset + 7) & ~<uint32_t>7
        for i, field in enumerate(fields):
            f = &self.fields[i]
            if not 0 <= field.request < self.request_count:
                raise ValueError(f"{field} names no request")
            r = &self.requests[field.request]
            r.field_count += 1
            f.request = field.request
            f.type, f.order = TYPES[field.type], ORDERS[field.order]
            f.length = field.length
            if r.function <= 2:
                f.bit = -2
                f.offset = r.offset * 8 + <uint32_t>field.offset
                inside = 0 <= field.offset < r.count and f.type == TYPE_BOOL
            else:
                f.bit = field.bit
                f.offset = r.offset + <uint32_t>field.offset
                inside = 0 <= field.offset and field.offset + field.length <= r.data_bytes
            if not inside:
                raise ValueError(f"{field} is outside its request {requests[field.request]}")

    def __dealloc__(self):
        free(self.requests)
        free(self.fields)


cdef Answers answers_of(object requests, object fields):
    key = (id(requests), id(fields))
    found = _answers.get(key)
    if found is None:
        found = Answers(requests, fields)
        if type(requests) is tuple and type(fields) is tuple:  # what can change is nobody else's
            _answers[key] = found
    return found


cdef Shape shape_of(object plan):
    key = (id(plan.tags), id(plan.requests), id(plan.fields))
    cdef Shape found = _shapes.get(key)
    if found is None:
        found = Shape(plan)
        if all(type(part) is tuple for part in found.plan):
            _shapes[key] = found
    return found
