"""From a tag's decimals to the numbers that columns are filtered with."""

from fractions import Fraction
from math import ceil, floor, inf

from libc.stdint cimport uint8_t

#: An unchanged value is said again after this at the latest: a reader looks back no further.
AT_LEAST_NS_MAX = 3600 * 10**9

TEXT_ENCODINGS = {"ascii": 0, "utf-8": 1, "gb18030": 2}


cdef tuple as_ratio(object over, object under):
    """over / under as two floats, both exact integers where that can be: so that a multiple comes
    out as the float nearest to its decimal.
    """
    ratio = Fraction(over) / Fraction(under)
    if abs(ratio.numerator) < 1 << 53 and ratio.denominator < 1 << 53:
        return float(ratio.numerator), float(ratio.denominator)
    return float(over) / float(under), 1.0


cdef double limit(object tag, object value, bint is_low) except *:
    """A limit of the value as one of the raw value: whole where those are, and as a float32 is."""
    cdef float narrow
    raw = (Fraction(value) - Fraction(tag.offset)) / Fraction(tag.scale)
    if tag.type not in ("float32", "float64"):
        return float(ceil(raw) if is_low else floor(raw))
    if tag.type == "float32":
        narrow = <float>(<double>float(raw))
        return narrow
    return float(raw)


cdef void fill_props(fieldprops_t *p, object tag) except *:
    p.on_change = tag.report == "change"
    p.scale, p.offset = float(tag.scale), float(tag.offset)
    if tag.resolution and tag.scale:
        p.resolution = float(tag.resolution)
        p.step_up, p.step_down = as_ratio(tag.resolution, tag.scale)
        p.zero = float(tag.offset / tag.scale)
    p.deadband_percent = tag.deadband_percent
    if tag.deadband:
        p.deadband = float(tag.deadband / (100 if p.deadband_percent else abs(tag.scale)))
    p.at_least_ns = min(tag.at_least_ns or AT_LEAST_NS_MAX, AT_LEAST_NS_MAX)
    low, high = (tag.min, tag.max) if tag.scale >= 0 else (tag.max, tag.min)
    if tag.scale and (low is not None or high is not None):
        p.ranged = True
        p.low = -inf if low is None else limit(tag, low, True)
        p.high = inf if high is None else limit(tag, high, False)
    p.text_encoding = <uint8_t>TEXT_ENCODINGS[tag.encoding]
