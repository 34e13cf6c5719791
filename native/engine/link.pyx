"""A link as Python sees it: built from the configuration, asked for snapshots. See `machine`."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from native.clock cimport MS, boot_ns
from native.engine.beats cimport beat_of
from native.engine.connection cimport DOWN, REOPEN_FIRST, UP
from native.engine.counts cimport EVENTS, copy_event, counts_t, event_t, events_written
from native.engine.doubt cimport others_of
from native.engine.flights cimport IN_FLIGHT_MAX
from native.engine.guests cimport GUESTS, dismiss_guest, invite_guest
from native.engine.pause cimport pause_known, pause_told
from native.engine.protocol cimport ADDRESS_MAX, PROTOCOL_ABI, protocol_t, session_t, station_t
from native.engine.state cimport (
    BACKOFF_FIRST,
    DIALIN_FLOOR,
    LATENCY_FLOOR,
    WAIT_MOST,
    device_t,
    link_t,
    member_t,
    patience,
)
from native.engine.tapped cimport look, new_tap, taken
from native.rows.group cimport Group
from native.rows.store cimport group_t
from native.wire.port cimport line_of
from native.wire.transport cimport DATAGRAM, DIALIN, SERIAL

from collections import deque

cdef tuple STATES = ("down", "connecting", "up")  # by LinkState
cdef int64_t BUSY_WINDOW = 10000 * MS  # how far back the share of the wire looks


cdef class Link:
    """A port, its devices and their groups. `devices`: (drivers.api.Station, [Group, ...]) for
    each, in order. `in_flight`: what an earlier run learned to be good, where that is learned.

    Raises ValueError when devices of one link have protocols that can't share it, or an address
    that theirs does not know, MemoryError.
    """

    def __cinit__(self, object spec, object devices, int32_t in_flight=1):
        cdef link_t *link = &self.l
        memset(link, 0, sizeof(link_t))
        self.spec = spec
        self.port = Port(spec)
        self.groups = [group for _, groups in devices for group in groups]
        self.stations = [station for station, _ in devices]
        if not self.groups:
            raise ValueError(f"link {spec.name}: its devices need groups")
        link.port = &self.port.p
        link.conn.state = DOWN
        link.conn.backoff_ns = REOPEN_FIRST
        link.random = <uint64_t>boot_ns() | 1
        self.set_sessions()
        self.set_wire(in_flight)
        self.set_devices(devices)
        self.set_stations()
        link.bus.char_ns = link.devices[0].char_ns
        link.bus.silence_ns = link.devices[0].silence_ns
        link.port.line = link.devices[0].line
        link.conn.since = boot_ns()
        self.busy_marks = deque([(link.conn.since, 0)])

    cdef set_sessions(self):
        """One for each protocol of the devices."""
        cdef link_t *link = &self.l
        cdef const protocol_t *protocol
        cdef session_t *session
        capsules = list(dict.fromkeys(station.protocol for station in self.stations))
        link.sessions = <session_t **>calloc(len(capsules), sizeof(session_t *))
        if link.sessions == NULL:
            raise MemoryError
        for capsule in capsules:
            protocol = <const protocol_t *>PyCapsule_GetPointer(capsule, "protocol_t")
            if (
                protocol.abi != PROTOCOL_ABI
                or protocol.session_bytes < sizeof(session_t)
                or protocol.station_bytes < sizeof(station_t)
            ):
                raise ValueError(f"link {self.spec.name}: a protocol for another engine")
            if len(capsules) > 1 and not protocol.line:
                raise ValueError(
                    f"link {self.spec.name}: {protocol.name.decode()} shares a link with no other"
                    " protocol"
                )
            session = <session_t *>calloc(1, protocol.session_bytes)
            if session == NULL:
                raise MemoryError
            link.sessions[link.session_count] = session
            link.session_count += 1
            session.protocol = protocol
            session.timeout_ns = self.spec.timeout_ns
            session.seed = link.random
            session.packets = link.port.kind == DATAGRAM
            link.line = protocol.line
        self.protocols = capsules

    cdef set_devices(self, object devices):
        cdef link_t *link = &self.l
        cdef Group group
        cdef int32_t member = 0, i
        cdef device_t *d
        link.device_count = <int32_t>len(self.stations)
        cdef int32_t room
        link.member_count = link.resident_count = <int32_t>len(self.groups)
        room = link.member_count + GUESTS
        self.guests = [None] * GUESTS
        link.devices = <device_t *>calloc(link.device_count, sizeof(device_t))
        link.members = <member_t *>calloc(room, sizeof(member_t))
        link.bus.queue = <int32_t *>calloc(room, sizeof(int32_t))
        link.shell.ended = <int32_t *>calloc(room, sizeof(int32_t))
        if (
            link.devices == NULL or link.members == NULL
            or link.bus.queue == NULL or link.shell.ended == NULL
        ):
            raise MemoryError
        for i, (station, groups) in enumerate(devices):
            d = &link.devices[i]
            self.set_line(d, self.spec if station.line is None else station.line)
            d.backoff_ns = BACKOFF_FIRST
            d.since = boot_ns()
            for group in groups:
                link.members[member].g = &group.g
                link.members[member].device = i
                member += 1

    cdef set_line(self, device_t *d, object spec):
        """A device's line, as a `drivers.api.LinkSpec` says it."""
        cdef int32_t i
        if self.l.port.kind == SERIAL:
            d.line, d.char_ns, d.silence_ns = line_of(spec), spec.char_ns, spec.silence_ns
        d.silence_ns += self.spec.pause_ns
        for i in range(self.l.session_count):
            self.l.sessions[i].char_ns = max(self.l.sessions[i].char_ns, d.char_ns)

    cdef set_stations(self):
        """One for each protocol and address; with the groups of all its devices."""
        cdef link_t *link = &self.l
        cdef session_t *session
        cdef station_t *station
        cdef int32_t at = 0, first, k
        owners = {}
        for i, device in enumerate(self.stations):
            key = self.protocols.index(device.protocol), device.address
            owners.setdefault(key, []).append(i)
        link.station_groups = <group_t **>calloc(
            link.member_count + GUESTS * len(owners), sizeof(group_t *)
        )
        if link.station_groups == NULL:
            raise MemoryError
        for k in range(link.session_count):
            link.sessions[k].stations = <station_t **>calloc(len(owners), sizeof(station_t *))
            if link.sessions[k].stations == NULL:
                raise MemoryError
        for (number, address), devices in owners.items():
            session = link.sessions[<int32_t>number]
            if type(address) is not bytes or len(address) > ADDRESS_MAX:
                raise ValueError(f"link {self.spec.name}: no address: {address!r:.100}")
            station = <station_t *>calloc(1, session.protocol.station_bytes)
            if station == NULL:
                raise MemoryError
            session.stations[session.station_count] = station
            session.station_count += 1
            station.session = session
            memcpy(station.address, <const uint8_t *>address, len(address))
            station.address_size = <uint8_t>len(address)
            if not session.protocol.enrol(session, station):
                raise ValueError(f"link {self.spec.name}: no address: {address!r}")
            first = at
            for k in range(link.member_count):
                if link.members[k].device in devices:
                    link.station_groups[at] = link.members[k].g
                    at += 1
            for i in devices:
                link.devices[i].station = station
                pause_told(station, self.stations[i].pause_ns)
                link.devices[i].wait_ns = link.timeout_ns
                station.late_ns = link.wait_most_ns
                link.devices[i].groups = &link.station_groups[first]
                link.devices[i].group_count = at - first
            at += GUESTS

    cdef set_wire(self, int32_t in_flight):
        """What the kind of wire and its protocol decide."""
        cdef link_t *link = &self.l
        spec = self.spec
        link.timeout_ns = spec.timeout_ns
        link.wait_most_ns = max(spec.timeout_ns, WAIT_MOST if spec.timeout_learned else 0)
        link.wait_least_ns = DIALIN_FLOOR if link.port.kind == DIALIN else LATENCY_FLOOR
        link.flights.limit = 1
        if not link.line:
            link.flights.limit = min(max(1, spec.in_flight), IN_FLIGHT_MAX)
            if spec.in_flight_learned:
                link.flights.most = link.flights.good = link.flights.limit
                link.flights.limit = min(max(1, in_flight), link.flights.most)
        link.conn.quiet_ns = link.conn.quiet_good = spec.after_connect_ns
        link.conn.quiet_told = spec.after_connect_ns > 0
        link.listen_only = spec.listen_only
        if spec.listen_only and (
            link.port.kind != SERIAL or link.session_count > 1
            or link.sessions[0].protocol.listen == NULL
        ):
            raise ValueError(f"link {spec.name}: that protocol can be overheard on no such port")

    def __dealloc__(self):
        cdef int32_t i, k
        free(self.l.devices)
        free(self.l.members)
        free(self.l.bus.queue)
        free(self.l.shell.ended)
        free(self.l.station_groups)
        free(self.l.tap)
        for i in range(self.l.session_count):
            for k in range(self.l.sessions[i].station_count):
                free(self.l.sessions[i].stations[k])
            free(self.l.sessions[i].stations)
            free(self.l.sessions[i])
        free(self.l.sessions)

    cdef bint invite(self, int32_t device, Group group):
        """A guest's group where the scan thread finds it; False: all slots are taken."""
        cdef int32_t slot
        if not 0 <= device < self.l.device_count:
            raise ValueError(f"link {self.spec.name} has no device {device}")
        if self.l.listen_only:
            raise ValueError(f"link {self.spec.name} only listens")
        slot = invite_guest(&self.l, device, &group.g)
        if slot >= 0:
            self.guests[slot] = group
        return slot >= 0

    cdef see_off(self, Group group):
        cdef int32_t i
        for i in range(GUESTS):
            if self.guests[i] is group:
                dismiss_guest(&self.l, i)

    def look_on(self, bint on) -> None:
        """Whether what goes over the wire is copied for `seen`. Any thread."""
        if self.l.tap == NULL:
            self.l.tap = new_tap()
        look(self.l.tap, on)

    def seen(self) -> tuple:
        """([(boot time in nanoseconds, sent by us, bytes), ...], bytes lost so far) since the last
        call: what one read or write of the port carried, in order. One thread at a time.
        """
        return taken(self.l.tap)

    def resolve(self) -> bool:
        """Look the host's name up again, for a link that is down; True when there is an address."""
        if self.l.port.kind == SERIAL or self.l.port.kind == DIALIN or self.state != "down":
            return True
        return self.port.resolve(self.spec.host, self.spec.tcp_port)

    def renew(self) -> bool:
        """Read a secured link's certificate files again if they changed; whether they can be used.
        From one thread at a time, beside the loop's.
        """
        return self.port.secured.renew()

    def refusals(self) -> list:
        """(group index, the protocol's words, part of the request or -1, the protocol's code) of
        what was refused since the last call.
        """
        cdef event_t event
        cdef Group group
        result = []
        newest = events_written(&self.l.events)
        for k in range(max(self.events_taken, newest - EVENTS if newest > EVENTS else 0), newest):
            if not copy_event(&self.l.events, k, &event):
                continue
            group = self.groups[event.member]
            spec = group.spec_of(event.layout, event.request)
            if spec is not None:
                result.append((event.member, spec, event.part, event.code))
        self.events_taken = newest
        return result

    cdef double busy_share(self, int64_t now):
        """Share of the last BUSY_WINDOW or so in which the link was busy; marks are a second apart.
        """
        marks = self.busy_marks
        if not marks or now - marks[len(marks) - 1][0] >= 1000 * MS:
            marks.append((now, self.l.counts.busy_ns))
        while len(marks) > 2 and now - marks[1][0] >= BUSY_WINDOW:
            marks.popleft()
        then, busy = marks[0]
        if now <= then:
            return 0.0
        share = <double>(self.l.counts.busy_ns - busy) / (now - then) / self.l.flights.limit
        return min(1.0, share)

    def snapshot(self) -> dict:
        """gateway.report.snapshot.LinkSnapshot, but `cause` is an errno or a TLS_* here. Any
        thread.
        """
        cdef link_t *link = &self.l
        cdef const counts_t *n = &link.counts
        cdef int64_t now = boot_ns()
        serial = link.port.kind == SERIAL
        dialled = link.port.kind == DIALIN and link.conn.state == UP
        host = f"[{self.spec.host}]" if ":" in self.spec.host else self.spec.host
        line = self.port.counters() if link.conn.state == UP and serial else None
        if line is not None:
            del line["breaks"]
        return {
            "name": self.spec.name,
            "type": self.spec.type,
            "target": self.spec.port if serial else f"{host}:{self.spec.tcp_port}",
            "state": self.state,
            "errno": link.conn.error,
            "unwelcome": bool(link.conn.unwelcome),
            "since_s": (now - link.conn.since) / 1e9,
            "devices": link.device_count,
            "in_flight": link.flights.limit,
            "listen_only": bool(link.listen_only),
            "others": self.others(now),
            "beat": self.beat(now),
            "requests": n.requests, "answers": n.answers, "timeouts": n.timeouts,
            "damaged": n.damaged, "wrong": n.wrong, "late": n.late,
            "exceptions": n.exceptions, "retries": n.retries, "reconnects": n.reconnects,
            "bytes_in": n.bytes_in, "bytes_out": n.bytes_out,
            "busy_share": self.busy_share(now),
            "tls": self.port.secured.describe() if self.port.secured is not None else None,
            "line_errors": line,
            "swallowed": link.port.swallowed,
            "heard_s": (now - link.port.heard) / 1e9 if dialled else None,
        }

    def others(self, int64_t now) -> dict | None:
        """Who else asks on this line, `now` on the boot clock in ns; None: nobody."""
        return others_of(&self.l.others, now)

    def beat(self, int64_t now) -> dict | None:
        """What is said again and again and answers nothing: its "bytes", and "every_s"."""
        return beat_of(&self.l.beats, now)

    @property
    def state(self) -> str:
        """"down", "connecting" or "up"."""
        return "up" if self.l.conn.renewing else STATES[self.l.conn.state]

    def granted(self, int32_t device) -> int:
        """What its last connection was granted, in its protocol's words; 0: nothing."""
        if not 0 <= device < self.l.device_count:
            raise IndexError(device)
        return self.l.devices[device].station.session.granted

    def pause(self, int32_t device, int64_t known_ns=-1) -> int:
        """The silence between requests that was learned of its station, in ns; 0: none. `known_ns`:
        what an earlier run learned. Before the loop runs.
        """
        if not 0 <= device < self.l.device_count:
            raise IndexError(device)
        if known_ns >= 0:
            pause_known(&self.l.devices[device], known_ns)
        return self.l.devices[device].station.pause.learned

    @property
    def single(self) -> bool:
        """Learned: never more than one request at a time; nothing tells a late answer."""
        return self.l.sessions[0].single

    def devices(self, bint brief=False) -> list:
        """gateway.report.snapshot.DeviceSnapshot of each device, but `cause` is (quality, exception
        code), and names are missing; `brief`: without the groups.
        """
        cdef device_t *d
        cdef int64_t now = boot_ns()
        cdef Group group
        result = []
        for i in range(self.l.device_count):
            d = &self.l.devices[i]
            groups = [] if brief else [
                group.snapshot() for k, group in enumerate(self.groups) if self.l.members[k].device
                == i
            ]
            result.append({
                "name": self.stations[i].name,
                "silent": bool(d.silent),
                "ever": bool(d.ever),
                "owed": d.station.owes_until != 0,
                "quality": d.cause, "exception": d.code,
                "since_s": (now - d.since) / 1e9,
                "last_good_s": (now - d.last_good) / 1e9 if d.last_good else None,
                "answer_us": {"p50": d.answer_ns // 1000, "max": d.answer_max_ns // 1000},
                "requests": d.requests, "timeouts": d.timeouts,
                "damaged": d.damaged, "exceptions": d.exceptions,
                "timeout_us": patience(&self.l, d, 0) // 1000,
                "late_us": d.late_ns // 1000,
                "groups": groups,
            })
        return result
