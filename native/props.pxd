"""What one tag asks beyond its address, and what its filter remembers."""

from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef struct fieldprops_t:
    # What the tag asks beyond its address; survives a change of layout.
    bint on_change
    double scale
    double offset
    double resolution     # in units of the value; 0: none
    double step_up        # step_up / step_down: the resolution in raw units
    double step_down
    double zero           # the offset in raw units
    double deadband       # absolute: in raw units; percent: a fraction
    bint deadband_percent
    int64_t at_least_ns
    uint8_t text_encoding  # 0 ascii, 1 utf-8, 2 gb18030
    # State of the filter:
    bint reported
    uint8_t last_quality
    int64_t last_value
    int64_t last_ns
    uint32_t last_text    # CRC-32C of the text
    uint32_t noise_seals  # seals for which decimals need not be tried


# From `tag`, a drivers.api.TagSpec; `p` is all zero before.
cdef void fill_props(fieldprops_t *p, object tag) except *
