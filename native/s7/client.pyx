"""One CPU without engine and wire, for tools and tests: calls the functions of `protocol` as the
engine does, bytes in and bytes out. Time does not pass.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from native.engine.protocol cimport (
    ADDRESS_MAX,
    ASK_MAX,
    CUT_OFF,
    NO_ANSWER,
    OWN,
    SEND,
    SEND_FIRST,
    Prep,
    Verdict,
    flight_t,
    in_t,
    out_t,
    protocol_t,
    session_t,
    station_t,
    take_t,
)
from native.reasons cimport BAD_NOT_ASKED
from native.rows.shape cimport Answers, answers_of
from native.rows.store cimport layout_t, row_data, row_status

from native.s7.protocol import PROTOCOL

VERDICTS = (
    "more", "answer", "partial", "refused", "busy", "unreached", "in vain", "foreign answer",
    "foreign request", "noise", "damaged", "broken",
)


cdef class Client:
    """A link to one station with the plan's `requests`; each is in flight at most once."""

    cdef const protocol_t *table
    cdef session_t *session
    cdef station_t *station
    cdef station_t *stations[1]
    cdef Answers answers
    cdef layout_t layout
    cdef flight_t *flights
    cdef list flying      # numbers of the requests in flight, the oldest first
    cdef bytes input
    cdef uint8_t out[ASK_MAX]
    cdef readonly list told  # (part, code) of the last frame

    def __cinit__(self, bytes address, object requests):
        self.table = <const protocol_t *>PyCapsule_GetPointer(PROTOCOL, "protocol_t")
        if len(address) > ADDRESS_MAX:
            raise ValueError(f"an address of {len(address)} bytes")
        self.answers = answers_of(tuple(requests), ())
        self.session = <session_t *>calloc(1, self.table.session_bytes)
        self.station = <station_t *>calloc(1, self.table.station_bytes)
        self.flights = <flight_t *>calloc(self.answers.request_count, sizeof(flight_t))
        self.layout.scratch = <uint8_t *>calloc(1, self.answers.stride)
        if (
            self.session == NULL or self.station == NULL or self.flights == NULL
            or self.layout.scratch == NULL
        ):
            raise MemoryError
        self.layout.request_count = self.answers.request_count
        self.layout.part_count = self.answers.part_count
        self.layout.requests, self.layout.parts = self.answers.requests, self.answers.parts
        memcpy(self.station.address, <const uint8_t *>address, len(address))
        self.station.address_size = <uint8_t>len(address)
        self.stations[0] = self.station
        self.session.stations, self.session.station_count = self.stations, 1
        self.flying, self.input, self.told = [], b"", []
        if not self.table.enrol(self.session, self.station):
            raise ValueError(f"no address of this protocol: {address.hex()}")

    def __dealloc__(self):
        free(self.session)
        free(self.station)
        free(self.flights)
        free(self.layout.scratch)

    @property
    def window(self) -> int:
        """How many requests may be in flight on this connection."""
        return self.session.window

    def begin(self) -> bytes:
        """A new connection: returns what to send first. Nothing is in flight any more."""
        cdef out_t out
        memset(&out, 0, sizeof(out_t))
        out.p = self.out
        self.flying, self.input = [], b""
        self.table.begin(self.session, &out, 0)
        return self.out[:out.n]

    def shake(self, bytes data) -> tuple[str, bytes]:
        """("on", what to send), ("ready", b"") or ("broken", b"")."""
        cdef out_t out
        cdef in_t in_
        cdef size_t used = 0
        cdef int result
        self.input += data
        memset(&out, 0, sizeof(out_t))
        out.p = self.out
        in_.p, in_.n = self.input, <size_t>len(self.input)
        in_.last = False
        result = self.table.shake(self.session, &in_, &used, &out, 0)
        self.input = self.input[used:]
        return ("on" if result > 0 else "broken" if result else "ready"), self.out[:out.n]

    def ask(self, int number) -> bytes | tuple[int, int]:
        """The bytes of request `number`, which is in flight from now on; (quality, code) if it
        can't be sent.
        """
        cdef flight_t *f
        cdef out_t out
        cdef Prep prep
        cdef uint32_t i
        if not 0 <= number < self.answers.request_count or number in self.flying:
            raise ValueError(f"request {number} flies, or is none")
        f = &self.flights[number]
        memset(f, 0, sizeof(flight_t))
        f.request, f.layout, f.station = &self.answers.requests[number], &self.layout, self.station
        f.number = number
        for i in range(f.request.part_count):
            row_status(self.layout.scratch)[f.request.first_part + i] = BAD_NOT_ASKED
        memset(&out, 0, sizeof(out_t))
        out.p = self.out
        prep = self.table.prepare(self.session, NULL, f, &out, 0)
        if prep == SEND_FIRST:
            f.purpose = OWN
        elif prep != SEND:
            return out.quality, out.code
        self.flying.append(number)
        return self.out[:out.n]

    def go_on(self, int number) -> bytes:
        """The next question of request `number`, after "partial"."""
        cdef out_t out
        if number not in self.flying:
            raise ValueError(f"request {number} does not fly")
        memset(&out, 0, sizeof(out_t))
        out.p = self.out
        if self.table.prepare(self.session, NULL, &self.flights[number], &out, 0) != SEND:
            raise AssertionError(f"request {number} does not go on")
        return self.out[:out.n]

    def take(self, bytes data) -> tuple[str, int, int]:
        """Verdict on the first frame, number of its request or -1, and code. Call again with b""
        until "more".
        """
        cdef flight_t open_[64]
        cdef take_t t
        cdef in_t in_
        cdef Verdict verdict
        cdef int32_t i
        self.input += data
        self.told = []
        for i, number in enumerate(self.flying[:64]):
            open_[i] = self.flights[<int32_t>number]
        memset(&t, 0, sizeof(take_t))
        in_.p, in_.n = self.input, <size_t>len(self.input)
        in_.last = False
        verdict = self.table.take(
            self.session, &in_, open_, <int32_t>min(64, len(self.flying)), &t, 0
        )
        name = VERDICTS[<int>verdict]
        if name == "more":
            return name, -1, 0
        if not 0 < t.used <= in_.n:
            raise AssertionError(f"{name} used {t.used} of {in_.n} bytes")
        self.input = self.input[t.used:]
        about = -1
        if name == "partial":
            about = self.flying[t.flight]
            self.flights[<int32_t>about] = open_[t.flight]
        elif name in ("answer", "refused", "busy", "in vain"):
            about = self.flying.pop(t.flight)
        for i in range(<int32_t>t.told_count):
            self.told.append((t.told[i].part, t.told[i].code))
        return name, about, t.code

    def give_up(self, int number) -> None:
        """A time-out: the request is not in flight any more."""
        self.flying.remove(number)
        self.table.ended(self.session, &self.flights[number], NO_ANSWER, 0)

    def cut_off(self, int number) -> None:
        """The connection ended while the request was in flight."""
        self.flying.remove(number)
        self.table.ended(self.session, &self.flights[number], CUT_OFF, 0)

    def parts(self) -> list[tuple[int, bytes]]:
        """(quality, data) of every part of the row."""
        cdef uint8_t *row = self.layout.scratch
        cdef int32_t i
        found = []
        for i in range(self.answers.part_count):
            part = &self.answers.parts[i]
            data = row_data(&self.layout, row) + part.offset
            found.append((row_status(row)[i], data[:part.bytes]))
        return found
