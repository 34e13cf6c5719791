"""What a driver is, and the plain data that passes between configuration, drivers and the native
floor.

A driver is a module `drivers.<name>` that offers `DRIVER`, an object of the `Driver` protocol. It
turns devices into plans (`plan`), and plans on one link into a `Runner` that scans them in its own
thread until told to stop. Nothing here, and nothing in any driver, can write to a machine.

Times are nanoseconds (`*_ns`), clocks are CLOCK_BOOTTIME. All values are frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, cast, runtime_checkable

from drivers.keys import Key
from drivers.runner import Runner
from drivers.words import Message

#: The `type` of a tag in the configuration. Which of them a driver reads, its `check` says.
ValueType = Literal[
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float32", "float64", "bcd", "bcd16", "bcd32", "string", "wstring",
    "date_time", "dtl", "ldt", "s5time",
]  # fmt: skip
#: The type of a raw value in a row. Dates are int64 there: nanoseconds since 1970.
RowType = Literal[
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float32", "float64", "bcd", "bcd_signed", "string",
]  # fmt: skip
_ROW_TYPES: Mapping[ValueType, RowType] = {
    "bcd16": "bcd", "bcd32": "bcd", "wstring": "string",
    "date_time": "int64", "dtl": "int64", "ldt": "int64", "s5time": "uint32",
}  # fmt: skip
ByteOrder = Literal["ABCD", "CDAB", "BADC", "DCBA"]
LinkType = Literal["serial", "tcp", "udp", "listen", "box"]
Framing = Literal["rtu", "ascii", "tcp", "shdr"]

#: How many bytes a raw value of each type has on the wire; 0: as many as the tag's `length`.
TYPE_BYTES: Mapping[ValueType, int] = {
    "bool": 2, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4,
    "int64": 8, "uint64": 8, "float32": 4, "float64": 8, "bcd": 0, "bcd16": 2, "bcd32": 4,
    "string": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TagSpec:
    """One named value of a device, as configured. Value = raw x scale + offset."""

    name: str
    address: str
    type: ValueType
    every_ns: int
    order: ByteOrder = "ABCD"
    scale: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)
    unit: str = ""
    length: int = 0  # bytes of a string or bcd; characters of a wstring
    signed: bool = False  # bcd only: its highest bit is the sign
    encoding: Literal["ascii", "utf-8", "gb18030"] = "ascii"
    labels: Mapping[int, str] = field(default_factory=dict)
    resolution: Decimal | None = None  # in units of the value, not of the raw
    report: Literal["all", "change"] = "all"
    deadband: Decimal | None = None  # absolute, in units of the value; or percent of the last value
    deadband_percent: bool = False
    at_least_ns: int = 0  # an unchanged value is repeated after this; 0: after an hour
    no_value: tuple[int, ...] = ()  # bits of raw values that mean "none": `drivers.raw.bits_of`
    min: Decimal | None = None  # of the value: below it is uncertain
    max: Decimal | None = None
    description: str = ""  # what it is, for people

    @property
    def row_type(self) -> RowType:
        """The type of its raw value in a row."""
        if self.type == "bcd":
            return "bcd_signed" if self.signed else "bcd"
        return _ROW_TYPES.get(self.type) or cast(RowType, self.type)


#: Where a link learns how many requests it takes at once, no more than this are tried.
IN_FLIGHT_AUTO = 16


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: whom the box trusts, who it is, and how it proves that."""

    ca: Path
    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """One physical transport, as configured."""

    name: str
    type: LinkType
    port: str = ""  # serial: the device's path
    baud: int = 9600
    data_bits: int = 8
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: int = 1
    rs485: bool = False  # ask the kernel to switch the transceiver (TIOCSRS485)
    host: str = ""  # tcp, udp; listen: our own address that devices dial in to
    tcp_port: int = 0  # 0: left out, and its driver's (`usual_port`)
    register: bytes = b""  # listen: what the device says first (drivers/packets); b"": anything
    heartbeat: bytes = b""  # listen: what it says between frames
    timeout_ns: int = 300_000_000  # the longest wait for an answer
    timeout_learned: bool = False  # the file says none: more for slow devices, up to 3 s
    pause_ns: int = 0  # silence between requests, over the standard's
    after_connect_ns: int = 0  # tcp: silence on a new connection; 0: learned
    listen_only: bool = False  # another master asks; nothing is sent. Serial, RTU
    in_flight: int = 1  # the most requests at once
    in_flight_learned: bool = False  # how many are good is learned; `in_flight` is the most
    tls: TlsFiles | None = None  # tcp: Modbus Security

    @property
    def char_ns(self) -> int:
        """Time of one character on a serial wire: start, data, parity and stop bits."""
        bits = 1 + self.data_bits + (self.parity != "none") + self.stop_bits
        return bits * 1_000_000_000 // self.baud

    @property
    def silence_ns(self) -> int:
        """Silence between two frames on a serial wire: 3.5 characters, fixed above 19,200 baud
        (Modbus over Serial Line V1.02, 2.5.1.1), and no less than other protocols ask.
        """
        return 1_750_000 if self.baud > 19_200 else 7 * self.char_ns // 2


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One controller on a link, as configured, its profile already expanded into tags."""

    name: str
    link: LinkSpec
    driver: str
    tags: tuple[TagSpec, ...]
    unit: int = 1
    framing: Framing = "tcp"
    profile: str = ""
    pause_ns: int = 0  # silence this device wants, over the link's
    align: bool = False  # ticks at whole multiples of their period in UTC, once it is known
    own: tuple[tuple[str, Any], ...] = ()  # keys that only its driver has: lists as tuples


@dataclass(frozen=True, slots=True)
class Station:
    """A device as the native engine asks it (`native.engine.link.Link`)."""

    name: str
    protocol: Any  # the capsule of its native/engine/protocol.pxd table
    address: bytes  # as its protocol writes it; devices of a link with one address are one station
    pause_ns: int = 0  # silence this device wants, over the link's
    line: LinkSpec | None = None  # its own baud and parity; None: its serial link's


class Request(NamedTuple):
    """One read request of a plan, as the driver's planner made it."""

    spec: bytes  # the protocol's own words, read by its native code; at most 8192 bytes
    parts: tuple[int, ...]  # bytes that each part of the answer brings into the row, at least 1
    ask_chars: int  # characters on the wire, at the most: for deadlines and the forecast
    answer_chars: int


class Field(NamedTuple):
    """Where one tag's raw value lies in the answers of a scan."""

    part: int  # counted over all requests of the plan, in order
    offset: int  # bytes into the part's data
    type: RowType
    order: ByteOrder
    length: int  # bytes of the raw value; of a bit: 1
    bit: int  # of the byte at `offset`, 0 the lowest; or -1


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """The requests that read one device's tags of one period. `fields[i]` is `tags[i]`."""

    device: str
    period_ns: int
    tags: tuple[TagSpec, ...]
    requests: tuple[Request, ...]
    fields: tuple[Field, ...]
    scan_ns: int  # forecast: of one scan, on the wire, with silences and the assumed answer time


@dataclass(frozen=True, slots=True)
class DevicePlan:
    spec: DeviceSpec
    groups: tuple[GroupPlan, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a device's configuration that only its driver can see.

    `key` is the path below the device: ("tags", "speed", "address"). `message` is an id of the
    driver's words, or of gateway/messages, with its arguments. A `warning` is worth a word, and is
    read all the same.
    """

    key: tuple[str, ...]
    message: str
    args: Mapping[str, Any] = field(default_factory=dict)
    severity: Literal["error", "warning"] = "error"


class Learning(Protocol):
    """What one device taught. Never waits for anything; the supervisor's thread."""

    @property
    def revision(self) -> int:
        """Rises whenever the groups must be planned anew; 0: they are as the file says."""

    @property
    def curious(self) -> bool:
        """Whether `answered` is worth a call: something may yet be learned by it."""

    def answered(self, spec: bytes) -> None:
        """All parts of that request were good in the newest row."""

    def refused(self, spec: bytes, code: int) -> None:
        """The device refused that request, in its protocol's words; or it is MUTE, or SILENT."""

    def reconsider(self, now_ns: int) -> None:
        """Time passes: what was learned long ago may be tried anew."""

    def replan(self, group: GroupPlan) -> GroupPlan:
        """Plan the same tags again, with requests made by what was learned."""

    def said(self) -> list[dict[str, Any]]:
        """What was learned, as messages."""

    def kept(self) -> dict[str, Any]:
        """What is worth keeping over a restart, as JSON."""


class Nothing:
    """The `Learning` of a protocol that learns nothing: each call does nothing."""

    revision, curious = 0, False

    def answered(self, spec: bytes) -> None:
        """Does nothing."""

    def refused(self, spec: bytes, code: int) -> None:
        """Does nothing."""

    def reconsider(self, now_ns: int) -> None:
        """Does nothing."""

    def replan(self, group: GroupPlan) -> GroupPlan:
        return group

    def said(self) -> list[dict[str, Any]]:
        return []

    def kept(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, slots=True)
class Speaker:
    """What a driver adds to the scanning of its devices on the native floor (`drivers.scan`)."""

    station: Callable[[DeviceSpec], Station]
    #: With what `kept` gave in an earlier run, or None. Raises ValueError, KeyError or TypeError
    #: where that does not fit.
    learning: Callable[[DeviceSpec, Any], Learning] = lambda spec, kept: Nothing()
    #: Message of a refusal by its code, where it has words of its own.
    cause: Callable[[int, int], dict[str, Any] | None] = lambda quality, code: None
    #: Id of what is said where a link learned that only one request may fly.
    single: str = ""
    #: The same of a link that ended in the protocol's handshake; whose stream is none.
    unwelcome: str = ""
    garbage: str = "link.garbage"
    orders: bool = False  # whether a tag's byte order is its device's choice
    #: What its line knows a device by, where that is no unit number: the twelve digits of a meter.
    called: Callable[[DeviceSpec], str] = lambda spec: ""


@dataclass(frozen=True, slots=True)
class OpenedLinks:
    """`groups` are native.rows.group.Group objects, in the order they are numbered: the sealer
    takes them.
    """

    runners: tuple[Runner, ...]
    groups: tuple[Any, ...]
    latest: Callable[[str], list[dict[str, Any]]]  # device name -> its newest values, for `watch`
    #: device name, or "link " and a link's -> JSON worth keeping over a restart
    learned: Callable[[], dict[str, Any]]
    know_utc: Callable[[int], None]  # told each second what UTC is ahead of the boot clock
    #: Device name, tags that need not be in its plan -> as `latest`, once the device has answered.
    #: Waits for as long as the device may take, behind what its link has to ask, 5 s at the most:
    #: TimeoutError. Raises ValueError for tags that the driver can't plan, BusyError where others
    #: read there. None: the driver can't.
    read: Callable[[str, Sequence[TagSpec]], list[dict[str, Any]]] | None = None


class BusyError(Exception):
    """A link has no room for one more single reading now."""


class Driver(Protocol):
    """What a protocol's folder offers as `DRIVER`."""

    name: str

    @property
    def keys(self) -> tuple[Key, ...]:
        """What its devices have beyond the keys of all: `DeviceSpec.own`."""

    @property
    def words(self) -> Mapping[str, Message]:
        """What it says of a configuration and of devices; ids begin with its name and a dot."""

    def check(self, device: DeviceSpec) -> list[Problem]:
        """Everything wrong with the device's addresses, types and limits; no error in it: `plan`
        will succeed. What it says of tags rests on no name, unit or link, but the link's type: of
        devices alike otherwise, one is asked about their tags.
        """

    def plan(self, device: DeviceSpec) -> DevicePlan:
        """The requests that read the device in the least time on the wire."""

    def example(self, group: GroupPlan, seed: str, count: int) -> list[bytes]:
        """The answers' data of `count` successive scans, as a simulated device gives them: what the
        forecast of bytes seals.
        """


@runtime_checkable
class NativeDriver(Driver, Protocol):
    """One whose protocol is a table of functions in native code: `drivers.scan` opens its links."""

    def speaker(self) -> Speaker:
        """What it adds to the scanning of its devices."""

    def shares(self, device: DeviceSpec) -> bool:
        """Whether devices of other drivers may be on its link: its frames stand on a line, where
        one request flies at a time.
        """


@runtime_checkable
class HostedDriver(Driver, Protocol):
    """One that is written in Python: its links run in a process beside the daemon
    (`drivers.host`).
    """

    def open(
        self,
        links: Sequence[tuple[LinkSpec, Sequence[DevicePlan]]],
        first_group: int,
        kept: Mapping[str, Any],
        pool: Any = None,
    ) -> OpenedLinks:
        """Build the runners. Groups are numbered from `first_group` in the order of links, devices,
        groups. `kept` is what `OpenedLinks.learned` gave in an earlier run; entries that do not fit
        are left out. `pool`: the native.rows.group.Pool of the box, where all rows wait for the
        seal.
        """


@runtime_checkable
class BoxDriver(Driver, Protocol):
    """The one that reads the box itself, in a thread of the daemon."""

    def device(self, every_ns: int, buffer: Path, *, radio: bool) -> DeviceSpec:
        """The box as a device. `buffer`: the directory whose disk is looked at; `radio`: whether
        the modem is asked.
        """

    def open(
        self,
        links: Sequence[tuple[LinkSpec, Sequence[DevicePlan]]],
        first_group: int,
        kept: Mapping[str, Any],
        pool: Any = None,
    ) -> OpenedLinks:
        """See HostedDriver.open."""
