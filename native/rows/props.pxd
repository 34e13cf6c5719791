"""What one tag asks beyond its address, and what its filter remembers."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

cdef struct fieldprops_t:
    # What the tag asks beyond its address; one for all groups that have the tag.
    bint on_change
    int32_t state         # of those reported on change: which one
    double scale
    double offset
    double resolution     # in units of the value; 0: none
    double step_up        # step_up / step_down: the resolution in raw units
    double step_down
    double zero           # the offset in raw units
    double deadband       # absolute: in raw units; percent: a fraction
    bint deadband_percent
    int64_t at_least_ns
    bint ranged           # raw values below `low` or above `high` are uncertain
    double low
    double high
    uint8_t text_encoding  # 0 ascii, 1 utf-8, 2 gb18030
    uint8_t none_count    # raw values that mean "none"
    const uint64_t *none  # their bits, as loaded; the Shape's


cdef struct fieldstate_t:
    # What the filter of a tag that is reported on change remembers; survives a change of layout.
    bint reported
    uint8_t last_quality
    int64_t last_value    # of texts: the CRC-32C
    int64_t last_ns


# From `tag`, a drivers.api.TagSpec; `p` is all zero before.
cdef void fill_props(fieldprops_t *p, object tag) except *
