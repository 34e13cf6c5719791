"""Requests that are not asked for a while: refused ones, and those that get no answer while their
device answers others. So nothing waits behind them.

The driver is told of each, and may split the request, until what is never answered is asked for by
itself. A request without an answer is asked again after ASIDE_FIRST, then each ASIDE_MOST, or after
twenty times the wait for it if that is longer; one such request a scan, after all others. One
answer ends all this.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t

from native.engine.counts cimport MUTE, SILENT
from native.engine.flights cimport flights_troubled
from native.engine.protocol cimport flight_t
from native.engine.state cimport (
    ASIDE_FIRST,
    ASIDE_MOST,
    BUSY_FOR,
    BUSY_LAST,
    REFUSALS_LAST,
    REFUSED_FOR,
    REFUSED_SOON,
    WAIT_SHARE,
    device_t,
    link_t,
    member_t,
)
from native.engine.told cimport tell
from native.reasons cimport BAD_BUSY, BAD_NO_ANSWER
from native.rows.store cimport request_t


cdef void missed(link_t *l, const flight_t *f, int64_t now) noexcept nogil:
    """Request `f` of the plan got no answer."""
    cdef request_t *r = &f.layout.requests[f.number]
    cdef device_t *d = &l.devices[l.members[f.member].device]
    cdef int64_t rest
    if r.misses and r.miss_mark == d.answers and not is_mute(r):
        if d.silent:
            tell(l, f, -1, SILENT)
        return  # nor was any other of its device since: it is the device that does not answer
    r.miss_mark = d.answers
    r.misses += r.misses < 255
    if not is_mute(r):
        return
    rest = ASIDE_MOST if r.asides else ASIDE_FIRST
    r.skip_until = now + max(rest, WAIT_SHARE * (min(now, f.deadline) - f.sent))
    r.refused_quality = BAD_NO_ANSWER
    r.asides += r.asides < 255
    tell(l, f, -1, MUTE)


cdef void refused(
    link_t *l, const flight_t *f, uint8_t quality, uint16_t code, int64_t now
) noexcept nogil:
    """Request `f` was refused: tell the driver; after REFUSALS_LAST in a row leave it alone."""
    cdef request_t *r = &f.layout.requests[f.number]
    tell(l, f, -1, code)
    r.misses = r.asides = 0
    r.refusals += 1
    r.refused_quality = quality
    if r.refusals >= REFUSALS_LAST:
        # A single address that never answered can wait for long. One that did answer (the device
        # may be starting), or that the driver can split, is asked again soon.
        r.refusals = 0
        if r.answered or r.field_count > 1:
            r.skip_until = now + REFUSED_SOON
        else:
            r.skip_until = now + REFUSED_FOR


cdef void busy(link_t *l, const flight_t *f, int64_t now) noexcept nogil:
    """Request `f` was refused as busy: leave it alone for a while, after BUSY_LAST in a row all of
    its device.
    """
    cdef member_t *m = &l.members[f.member]
    cdef request_t *r = &f.layout.requests[f.number]
    m.scan.busy += 1
    r.skip_until = now + BUSY_FOR
    r.refused_quality = BAD_BUSY
    if m.scan.busy >= BUSY_LAST:
        l.devices[m.device].busy_until = now + BUSY_FOR
    flights_troubled(&l.flights, f.sent, now)
