"""What groups alike have in common: made once, however many devices have the same plan."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from native.rows.props cimport fill_props
from native.rows.store cimport (
    TYPE_BCD,
    TYPE_BCD_SIGNED,
    TYPE_BOOL,
    TYPE_FLOAT32,
    TYPE_FLOAT64,
    TYPE_INT8,
    TYPE_INT16,
    TYPE_INT32,
    TYPE_INT64,
    TYPE_STRING,
    TYPE_UINT8,
    TYPE_UINT16,
    TYPE_UINT32,
    TYPE_UINT64,
    field_t,
    fieldprops_t,
    part_t,
    request_t,
    row_t,
)

from weakref import WeakValueDictionary

TYPES = {
    "bool": TYPE_BOOL, "int8": TYPE_INT8, "uint8": TYPE_UINT8, "int16": TYPE_INT16,
    "uint16": TYPE_UINT16, "int32": TYPE_INT32, "uint32": TYPE_UINT32, "int64": TYPE_INT64,
    "uint64": TYPE_UINT64, "float32": TYPE_FLOAT32, "float64": TYPE_FLOAT64, "bcd": TYPE_BCD,
    "bcd_signed": TYPE_BCD_SIGNED, "string": TYPE_STRING,
}
ORDERS = {"ABCD": 0, "CDAB": 1, "BADC": 2, "DCBA": 3}

#: What one store's rows may come to when encoded: half a block, so that any group fits into one.
STORE_BYTES_MAX = 512 * 1024
#: A varint of 64 bits.
VALUE_BYTES_MAX = 10
#: Bytes of a text, and of the register that a swap may look into.
TEXT_BYTES_MAX = 256
#: The protocol's words of one request, the parts of all requests, and the data of one row.
SPEC_BYTES_MAX, PARTS_MAX, ROW_DATA_MAX = 8192, 65535, 1 << 20
#: Rows that a store holds at most, so that the sealer's scratch stays small.
ROWS_MAX = 8192

#: Answers by the identity of a plan's parts, which the value keeps alive.
_answers = WeakValueDictionary()
_shapes = WeakValueDictionary()


#: Bytes of the raw value of each type; texts: their own.
WIDTHS = {
    "int8": (1,), "uint8": (1,), "int16": (2,), "uint16": (2,), "int32": (4,), "uint32": (4,),
    "int64": (8,), "uint64": (8,), "float32": (4,), "float64": (8,), "bool": (1, 2),
    "bcd": range(1, 9), "bcd_signed": range(1, 9), "string": range(1, TEXT_BYTES_MAX + 1),
}
#: Bytes that an order other than high byte first can be said of.
SWAPPED = (1, 2, 4, 8)


cdef class Shape:
    """What groups with the plan `plan` have in common; the plan and its errors as in
    `native.rows.group.Group`.
    """

    def __cinit__(self, object plan):
        cdef int i
        cdef size_t at = 0
        if not plan.tags or len(plan.tags) != len(plan.fields):
            raise ValueError("a group needs one field a tag, and a tag at least")
        self.plan = (plan.tags, plan.requests, plan.fields)
        texts = sum(field.length for field in plan.fields if field.type == "string")
        most = STORE_BYTES_MAX // (VALUE_BYTES_MAX * (len(plan.tags) + 1) + texts)
        if most < 2:
            raise ValueError("too many tags for one block: give some of them another period")
        self.row_capacity = <uint32_t>min(most, ROWS_MAX)
        self.props = <fieldprops_t *>calloc(len(plan.tags), sizeof(fieldprops_t))
        if self.props == NULL:
            raise MemoryError
        none = [tag.no_value for tag in plan.tags]
        if any(len(each) > 255 for each in none):
            raise ValueError("more than 255 raw values of a tag that mean none")
        self.none = <uint64_t *>calloc(max(1, sum(map(len, none))), sizeof(uint64_t))
        if self.none == NULL:
            raise MemoryError
        for i, tag in enumerate(plan.tags):
            fill_props(&self.props[i], tag)
            self.props[i].none = self.none + at
            self.props[i].none_count = <uint8_t>len(tag.no_value)
            for bits in tag.no_value:
                self.none[at] = bits
                at += 1
            if self.props[i].on_change:
                self.props[i].state = self.state_count
                self.state_count += 1

    def __dealloc__(self):
        free(self.props)
        free(self.none)


cdef class Answers:
    """Raises ValueError for requests that can't be, or fields that are not in their answers."""

    def __cinit__(self, object requests, object fields):
        cdef request_t *r
        cdef int i
        if not requests:
            raise ValueError("a group needs one request at least")
        sizes = [size for request in requests for size in request.parts]
        if len(sizes) > PARTS_MAX or not all(0 < size <= ROW_DATA_MAX for size in sizes):
            raise ValueError(f"the requests of a group have at most {PARTS_MAX} parts, none empty")
        if sum(sizes) > ROW_DATA_MAX:
            raise ValueError(f"the requests ask for {sum(sizes)} bytes, over {ROW_DATA_MAX}")
        self.plan = (tuple(requests), tuple(fields))
        self.requests = <request_t *>calloc(len(requests), sizeof(request_t))
        self.parts = <part_t *>calloc(max(1, len(sizes)), sizeof(part_t))
        self.fields = <field_t *>calloc(max(1, len(fields)), sizeof(field_t))
        if self.requests == NULL or self.parts == NULL or self.fields == NULL:
            raise MemoryError
        self.request_count = <int32_t>len(requests)
        self.field_count = <int32_t>len(fields)
        for i, size in enumerate(sizes):
            self.parts[i].offset, self.parts[i].bytes = self.data_bytes, size
            self.data_bytes += <uint32_t>size
        owners = []
        for i, request in enumerate(requests):
            r = &self.requests[i]
            if type(request.spec) is not bytes or len(request.spec) > SPEC_BYTES_MAX:
                raise ValueError(f"no words of a request: {request.spec!r:.100}")
            if not request.parts:
                raise ValueError(f"a request that brings nothing: {request}")
            if not 0 <= request.ask_chars + request.answer_chars < 1 << 31:
                raise ValueError(f"no number of characters: {request}")
            r.spec, r.spec_size = request.spec, <uint16_t>len(request.spec)
            r.first_part, r.part_count = self.part_count, <uint16_t>len(request.parts)
            r.chars = request.ask_chars + request.answer_chars
            self.part_count += r.part_count
            owners += [i] * r.part_count
        self.stride = (
            <uint32_t>sizeof(row_t) + <uint32_t>self.part_count + self.data_bytes + 7
        ) & ~<uint32_t>7
        for i, field in enumerate(fields):
            if not 0 <= field.part < self.part_count:
                raise ValueError(f"{field} names no part of a request")
            r = &self.requests[owners[field.part]]
            r.field_count = min(r.field_count + 1, 65535)
            self.fill_field(&self.fields[i], field)

    cdef int fill_field(self, field_t *f, object field) except -1:
        cdef part_t *part = &self.parts[field.part]
        cdef int length = field.length
        if field.type not in TYPES or field.order not in ORDERS:
            raise ValueError(f"{field} has no type or order")
        if length not in WIDTHS[field.type] or not -1 <= field.bit <= 7:
            raise ValueError(f"{field} has a length or bit that its type can't have")
        if field.bit >= 0 and (field.type != "bool" or length != 1):
            raise ValueError(f"{field} is no bit of a byte")
        if field.type != "string" and field.order != "ABCD" and length not in SWAPPED:
            raise ValueError(f"{field} has no such order")
        f.part = field.part
        f.type, f.order, f.bit = TYPES[field.type], ORDERS[field.order], field.bit
        f.length = <uint16_t>length
        # Of a text whose bytes are swapped, the partner of an odd last byte lies behind it.
        swapped = field.type == "string" and f.order >= 2
        reach = length + length % 2 if swapped else length
        if field.offset < 0 or field.offset + reach > part.bytes:
            raise ValueError(f"{field} is outside its part of {part.bytes} bytes")
        f.offset = part.offset + <uint32_t>field.offset
        return 0

    def __dealloc__(self):
        free(self.requests)
        free(self.parts)
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
