"""What `status --json` and its relatives show: the one shape that daemon, CLI and tests share.

Ages are seconds since, times on the wire microseconds; counters count since the daemon's start.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class Said(TypedDict):
    """A message of gateway/messages.py with its arguments; the CLI turns it into words."""

    id: str
    args: dict[str, Any]


class LineErrors(TypedDict):
    frame: int
    parity: int
    overrun: int


class TlsSnapshot(TypedDict):
    """None where there is no connection."""

    version: str | None  # TLSv1.3
    cipher: str | None
    peer: str | None  # the subject of the controller's certificate: CN=press-7
    files_usable: bool  # the certificate files as they are now; what was read before stays in use
    detail: str  # OpenSSL's words for the last failure, or ""


class Stranger(TypedDict):
    said: str  # as the configuration would have it: text:JX007, hex:fe01
    hex: str
    peer: str
    ago_s: float


class DialledIn(TypedDict):
    register: str  # likewise; "": anything
    peer: str | None  # the address that dialled in last; None: nobody yet
    heartbeats: int  # packets swallowed
    refused: int  # connections to this address that were no link's
    stranger: Stranger | None  # the newest of those that said something


class Others(TypedDict):
    """Another master, or client, until a minute after the last sign of him."""

    heard: bool  # his requests are; else only answers to them
    count: int  # of requests, or of answers, as far as they were told apart
    every_s: float  # one of those, on average


class Beat(TypedDict):
    """What is said again and again and answers nothing."""

    said: str  # as the configuration would have it: text:PING, hex:fe
    every_s: float


class LinkSnapshot(TypedDict):
    name: str
    type: str  # serial, tcp, udp, listen
    target: str  # /dev/jiahe/com1 or 192.168.10.21:502
    state: str  # "up", "connecting", "down"
    cause: Said | None  # why it is down, or of no use: two DTUs that take it from each other
    since_s: float
    devices: int
    in_flight: int  # the most requests at once, now
    in_flight_learned: bool
    listen_only: bool  # another master's bus: its requests and answers are counted
    requests: int
    answers: int
    timeouts: int
    damaged: int  # CRC, LRC, malformed
    wrong: int  # well-formed, not the answer asked for
    late: int  # answers that came after their time-out, dropped
    exceptions: int
    retries: int
    reconnects: int
    bytes_in: int
    bytes_out: int
    busy_share: float  # of the last ten seconds or so: 0..1
    line_errors: LineErrors | None  # None: the kernel does not count here
    others: NotRequired[Others | None]  # who else asks on this line; None: nobody
    beat: NotRequired[Beat]  # a heartbeat that the configuration does not know
    warnings: list[Said]  # what is wrong with one that is up: nobody answers, noise
    tls: NotRequired[TlsSnapshot | None]  # None: plain
    dialled: NotRequired[DialledIn]  # type listen only


class GroupSnapshot(TypedDict):
    id: int
    period_ns: int
    tags: int
    requests: int
    ticks: int  # due so far
    rows: int  # scans with a row
    skipped: dict[str, int]  # by gap reason, lower case: {"overrun": 3}
    late_us: dict[str, int]  # p50, p99, max of row start - due


class DeviceSnapshot(TypedDict):
    name: str
    link: str
    unit: int | None  # None: its driver has no unit numbers
    called: NotRequired[str]  # what its line knows it by instead: a meter's twelve digits, or ""
    line: NotRequired[bool]  # False: it is no device of a serial line, nor behind a serial server
    driver: str
    profile: str
    state: str  # "good", "partly" (some tags bad), "silent", "starting"
    cause: Said | None
    damage: NotRequired[Said]  # its driver's words of damaged answers, where it has some
    beside: NotRequired[Said]  # what is so beside that: a CPU in STOP of which blocks are refused
    since_s: float
    last_good_s: float | None
    answer_us: dict[str, int]  # p50, max
    requests: int
    timeouts: int
    damaged: int
    exceptions: int
    timeout_us: int  # learned
    late_us: NotRequired[int]  # how long an answer took that came too late; 0: none did
    learned: list[Said]  # limits and holes found
    groups: list[GroupSnapshot]


class BufferSnapshot(TypedDict):
    state: str  # "ok", "memory_only" (disk failed), "no_space" (others filled the disk)
    cause: Said | None
    warnings: list[Said]  # the cause, what was lost since the start, what soon will be
    blocks: int
    bytes: int
    max_bytes: int
    memory_blocks: int
    memory_bytes: int
    oldest_s: float | None
    written_bytes: int
    flushes: int
    flush_lag_ms: float  # how late the last flush was against flush_every; 0: in time
    evicted_blocks: int
    rejected_blocks: int
    damaged_records: int
    gaps: dict[str, int]  # announced, by reason
    previous_end: Said | None  # of the run before, where it did not end cleanly


class BudgetSnapshot(TypedDict):
    """What the SIM card may carry, and did: bytes of both directions, estimated high."""

    per: str  # "day", "month"
    budget_bytes: int
    used_bytes: int
    share: float  # used of the budget: 0..1
    used_up: bool  # nothing is sent until the next period
    holding_backlog: bool  # the use is ahead of the calendar: fresh data only
    resets_in_s: float  # while the time is not known: at most
    resets_on: str | None  # the first day of the next period, "2026-12-01"
    lasts_s: float | None  # until it is used up, at the average of the period so far


class WaySnapshot(TypedDict):
    """One of [uplinks], in their order."""

    name: str
    interface: str
    metered: bool
    used: bool  # now, or tried now
    failed: bool  # since it was used last, or was good for ten minutes
    sent_bytes: int  # of TCP, since the start
    received_bytes: int
    budget: BudgetSnapshot | None


class UplinkSnapshot(TypedDict):
    state: str  # "connected", "connecting", "waiting", "paused" (data budget used up)
    cause: Said | None
    warnings: list[Said]  # about the certificate files, whatever the state
    address: str
    since_s: float
    last_ack_s: float | None
    round_trip_ms: float | None
    sent_blocks: int
    resent_blocks: int
    acked_blocks: int
    sent_bytes: int
    in_flight_blocks: int
    backlog_blocks: int
    connects: int
    retry_in_s: float | None
    rejects: int
    budget: BudgetSnapshot | None  # of the way that is used; None: no data_budget is set
    ways: list[WaySnapshot]  # none: [uplinks] is not set


class ClockSnapshot(TypedDict):
    source: str  # system, platform, last_known, unknown
    error_ms: float
    utc_ns: int


class Counters(TypedDict):
    """The box's book, in scans of this run: scans = acked + buffered + memory + lost, at any
    moment.
    """

    scans: int
    samples: int
    samples_bad: int
    sealed_blocks: int
    acked_scans: int
    buffered_scans: int
    memory_scans: int
    lost_scans: int  # announced as gaps


class Snapshot(TypedDict):
    version: str
    gateway: str
    site: str
    epoch: int
    run: int  # the run counter in the epoch
    pid: int
    uptime_s: float
    config: str
    warnings: list[Said]  # worst first
    links: list[LinkSnapshot]
    devices: list[DeviceSnapshot]
    buffer: BufferSnapshot
    uplink: UplinkSnapshot
    clock: ClockSnapshot
    counters: Counters
    rss_bytes: NotRequired[int]
    cpu_s: NotRequired[float]
