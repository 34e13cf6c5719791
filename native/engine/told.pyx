"""What the driver may learn from: what its device refused, in its protocol's words."""

from libc.stdint cimport int32_t, uint16_t, uint32_t

from native.engine.counts cimport event_t, event_written, next_event
from native.engine.protocol cimport flight_t, take_t
from native.engine.state cimport link_t


cdef void tell(
    link_t *l, const flight_t *f, int32_t part, uint16_t code
) noexcept nogil:
    """What the driver may learn from: not what a guest was refused, that is in no plan."""
    cdef event_t *event = next_event(&l.events)
    if f.member >= l.resident_count:
        return
    event.member, event.request, event.part, event.code = f.member, f.number, part, code
    event.layout = f.layout.serial
    event_written(&l.events)


cdef void tell_parts(link_t *l, const take_t *t) noexcept nogil:
    """The same of an answer of which not all is well: it is the device's last refusal, too."""
    cdef const flight_t *f = &l.flights.open[t.flight]
    cdef uint32_t i
    for i in range(<uint32_t>t.told_count):
        tell(l, f, t.told[i].part, t.told[i].code)
        l.devices[l.members[f.member].device].code = t.told[i].code
