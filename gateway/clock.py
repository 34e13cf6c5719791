"""Time of the box: a boot clock that never steps, what the kernel says of UTC, and anchors.

Every time in the stream is CLOCK_BOOTTIME: it counts through suspend and no one can set it. UTC is
a belief that comes and goes (a box without a battery starts in 1970), so it travels apart, in
anchors. `Anchors` decides when one is due; readers use the best of the same boot, also a later one.

Belief has four sources, best first:

- system: the kernel calls its clock synchronised (adjtimex(2) without STA_UNSYNC). Its error bound
  is the kernel's `maxerror`: it grows by 500 ppm until the next correction; past 16 s it is void.
- platform: the platform said its UTC in an answer, and nothing speaks against it. The error is half
  the round trip, and grows by DRIFT_PPM.
- last known: no clock of the box goes through a power cut, and this is what was known before the
  last one (see `lastknown`), carried on: at least so much time has passed. An estimate, uncertain.
- unknown: nothing vouches for the clock. The anchor says what the box reads, marked uncertain.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Protocol

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.ports import Clock
from gateway.report.snapshot import ClockSnapshot, Said

_log = logging.getLogger(__name__)

#: An anchor is repeated after this long even if nothing moved.
ANCHOR_EVERY_NS = 3600 * 10**9
#: A crystal without discipline drifts by no more than this.
DRIFT_PPM = 100
#: systemd-timesyncd reports `maxerror` 0 after it set the clock.
#: No network time is better than this.
SYSTEM_ERROR_MIN_NS = 10_000_000
#: The bound said with an unknown clock, where no bound is known: about 292 years.
UNKNOWN_ERROR_NS = 2**63 - 1
#: A time is plausible from 2024 to the end of 2099.
UTC_NS_MIN, UTC_NS_END = 1_704_067_200 * 10**9, 4_102_444_800 * 10**9
#: What the kernel called synchronised stands against the platform's word for so long.
SYSTEM_TRUSTED_NS = 86_400 * 10**9
#: How often the platform's time is asked for once it is known: a crystal is off by 60 ms then, no
#: more than an answer over 5G.
PLATFORM_ASKED_EVERY_NS = 600 * 10**9
#: A clock that was set to the last known time at boot is not later than that, but for this.
ESTIMATE_SLACK_NS = 2 * 10**9
VOUCHED = frozenset({pb.ANCHOR_SOURCE_SYSTEM, pb.ANCHOR_SOURCE_PLATFORM})

#: A suspended box wakes with the boot clock ahead of the event loop's; look again this often.
_SLEEP_S_MAX = 1.0

_TIME_ERROR = 5  # adjtimex(2): returned when the clock is not synchronised
_STA_UNSYNC = 0x0040

_NAME = {
    pb.ANCHOR_SOURCE_UNKNOWN: "unknown",
    pb.ANCHOR_SOURCE_LAST_KNOWN: "last_known",
    pb.ANCHOR_SOURCE_PLATFORM: "platform",
    pb.ANCHOR_SOURCE_SYSTEM: "system",
}


class DisciplinedClock(Clock, Protocol):
    """A clock that also knows how far its UTC can be trusted."""

    def utc_error_ns(self) -> int | None:
        """The most that `utc_ns` is wrong by; None while nothing disciplines it."""


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>; the reserved tail is larger than any libc's."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),  # microseconds
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("reserved", ctypes.c_long * 48),
    )


class SystemClock:
    """The real clock. Any thread; `sleep_until` belongs to the running event loop."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def now_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def utc_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_REALTIME)

    @cached_property
    def boot_id(self) -> str:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()

    async def sleep_until(self, boot_ns: int) -> None:
        while (left_ns := boot_ns - self.now_ns()) > 0:  # noqa: ASYNC110 - time is no event to wait for
            await asyncio.sleep(min(left_ns / 1e9, _SLEEP_S_MAX))

    def utc_error_ns(self) -> int | None:
        """What the kernel says; None also when it refuses to say, which is logged once."""
        timex = _Timex()  # modes = 0: read only
        state: int = self._libc.adjtimex(ctypes.byref(timex))
        if state < 0:
            self._refused(os.strerror(ctypes.get_errno()))
            return None
        if state == _TIME_ERROR or timex.status & _STA_UNSYNC:
            return None
        maxerror_us: int = timex.maxerror
        return max(maxerror_us * 1000, SYSTEM_ERROR_MIN_NS)

    @cache  # noqa: B019 - one clock a process: said once
    def _refused(self, why: str) -> None:
        _log.warning("adjtimex(2): %s: the system clock counts as not synchronised", why)


def time_zone(link: Path = Path("/etc/localtime")) -> str:
    """Time zone of the box as in the IANA database, such as "Asia/Shanghai"; empty where the system
    does not tell.
    """
    try:
        target = str(link.readlink())
    except OSError:  # a copy of the file, or none: its name is not known
        return ""
    _, found, name = target.partition("/zoneinfo/")
    return name if found else ""


@dataclass(frozen=True, slots=True)
class _Belief:
    """UTC = boot time + offset_ns, to within error_ns, as believed at at_ns on the boot clock."""

    offset_ns: int
    error_ns: int
    source: pb.AnchorSource.ValueType
    at_ns: int

    def aged_error_ns(self, now_ns: int) -> int:
        return self.error_ns + max(0, now_ns - self.at_ns) * DRIFT_PPM // 1_000_000


@dataclass(frozen=True, slots=True)
class LastKnown:
    """A UTC that something vouched for, and the boot time at which it did."""

    utc_ns: int
    boot_id: str
    boot_ns: int


class Anchors:
    """Decides when the stream needs a new anchor. One an epoch; but for `utc_ns` not for several
    threads at once.

    The platform's time is believed where it is plausible: in this century (`is_plausible`), not
    before `not_before_ns` (this box's certificate was issued then), and no contradiction of what
    the kernel called synchronised within a day. One answer that contradicts those before is a slip;
    two that agree void them.
    """

    def __init__(
        self,
        clock: DisciplinedClock,
        last_known: LastKnown | None = None,
        not_before_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        self._clock, self._last_known, self._not_before_ns = clock, last_known, not_before_ns
        self._platform: _Belief | None = None
        self._contrary: _Belief | None = None
        self._said_ns: int | None = None  # when the platform said it last
        self._system: _Belief | None = None
        self._issued: _Belief | None = None
        self._vouched: _Belief | None = None  # the last issued that something vouched for
        self._has_voided = False  # some anchor that was issued voids earlier ones
        self._owes_void = False  # and it may be lost, so the next has to
        self._refused: Said | None = None

    def platform_said(self, utc_ns: int, asked_ns: int, answered_ns: int) -> None:
        """The platform's UTC, in an answer at `answered_ns` to a question at `asked_ns`.

        Both on the boot clock. The tightest answer is kept; an older one loses by its drift.
        """
        if answered_ns < asked_ns:
            raise ValueError(f"answered at {answered_ns}, before it was asked at {asked_ns}")
        half = (answered_ns - asked_ns + 1) // 2
        middle = asked_ns + half
        said = _Belief(utc_ns - middle, half, pb.ANCHOR_SOURCE_PLATFORM, answered_ns)
        self._said_ns = answered_ns
        self._refused = self._why_not(said, utc_ns)
        if self._refused is not None:
            return
        held = self._platform
        if held is None or self._repeats_contrary(said, held):
            self._platform, self._contrary = said, None
        elif _contradicts(said, held):
            self._contrary = said
        elif said.error_ns <= held.aged_error_ns(answered_ns):
            self._platform, self._contrary = said, None

    def wants_platform(self, now_ns: int) -> bool:
        """Whether the platform's time would tell something: each answer costs bytes of the SIM."""
        if self._clock.utc_error_ns() is not None:
            return False
        if self._said_ns is None or self._contrary is not None or self._refused is not None:
            return True
        return now_ns - self._said_ns >= PLATFORM_ASKED_EVERY_NS

    def _repeats_contrary(self, said: _Belief, held: _Belief) -> bool:
        contrary = self._contrary
        return (
            contrary is not None and _contradicts(said, held) and not _contradicts(said, contrary)
        )

    def _why_not(self, said: _Belief, utc_ns: int) -> Said | None:
        """What speaks against the platform's time; None: nothing."""
        shown = _shown(utc_ns)
        if not is_plausible(utc_ns) or utc_ns < self._not_before_ns():
            return Said(id="clock.platform_implausible", args={"time": shown})
        self._belief(said.at_ns)  # what the kernel says now
        system = self._system
        is_fresh = system is not None and said.at_ns - system.at_ns < SYSTEM_TRUSTED_NS
        if system is not None and is_fresh and _contradicts(said, system):
            off_s = abs(said.offset_ns - system.offset_ns) / 1e9
            seconds = round(off_s) if off_s >= 1 else float(f"{off_s:.1g}")  # never 0
            return Said(id="clock.platform_differs", args={"time": shown, "seconds": seconds})
        return None

    def warnings(self) -> list[Said]:
        """Why the platform's time is not believed, if it said one that is not."""
        return [] if self._refused is None else [self._refused]

    def restate(self) -> None:
        """Blocks may be lost with their anchors: the next one has one again, which voids what any
        of theirs did.
        """
        self._issued = None
        self._owes_void = self._has_voided

    def due(self, now_ns: int) -> pb.Anchor | None:
        """The anchor to put into the block that is sealed at `now_ns` (boot clock), or None.

        What is returned counts as issued: it must go into the stream.
        """
        belief = self._belief(now_ns)
        if self._issued is not None and not _is_news(self._issued, belief, now_ns):
            return None
        self._issued = belief
        voids = False
        if belief.source in VOUCHED:
            news = self._vouched is not None and _contradicts(belief, self._vouched)
            voids = news or self._owes_void
            self._has_voided |= voids
            self._owes_void = False
            self._vouched = belief
        return pb.Anchor(
            boot_id=self._clock.boot_id,
            boot_time_ns=now_ns,
            utc_ns=now_ns + belief.offset_ns,
            source=belief.source,
            error_ns=belief.error_ns,
            voids_earlier=voids,
        )

    def utc_ns(self, now_ns: int) -> int | None:
        """UTC at `now_ns` (boot clock); None while nothing vouches for it. Any thread."""
        belief = self._belief(now_ns)
        return now_ns + belief.offset_ns if belief.source in VOUCHED else None

    def known(self, now_ns: int) -> LastKnown | None:
        """What the next boot is to know of the time; None while nothing vouches for it."""
        utc_ns = self.utc_ns(now_ns)
        return None if utc_ns is None else LastKnown(utc_ns, self._clock.boot_id, now_ns)

    def snapshot(self, now_ns: int) -> ClockSnapshot:
        """What `status` shows of the clock."""
        belief = self._belief(now_ns)
        return {
            "source": _NAME[belief.source],
            "error_ms": belief.error_ns / 1e6,
            "utc_ns": now_ns + belief.offset_ns,
        }

    def _belief(self, now_ns: int) -> _Belief:
        error_ns = self._clock.utc_error_ns()
        before_ns = self._clock.now_ns()
        utc_ns = self._clock.utc_ns()
        after_ns = self._clock.now_ns()
        offset_ns = utc_ns - (before_ns + after_ns) // 2
        if error_ns is not None and is_plausible(utc_ns):
            belief = _Belief(offset_ns, error_ns, pb.ANCHOR_SOURCE_SYSTEM, now_ns)
            self._system = belief
            return belief
        if (said := self._platform) is not None:
            return _Belief(said.offset_ns, said.aged_error_ns(now_ns), said.source, now_ns)
        estimate_ns = self._estimate_ns()
        if estimate_ns is not None and offset_ns <= estimate_ns + ESTIMATE_SLACK_NS:
            # A box without a battery: the clock says 1970, or what it was set forward to at boot.
            source = pb.ANCHOR_SOURCE_LAST_KNOWN
            return _Belief(estimate_ns, UNKNOWN_ERROR_NS, source, now_ns)
        return _Belief(offset_ns, UNKNOWN_ERROR_NS, pb.ANCHOR_SOURCE_UNKNOWN, now_ns)

    def _estimate_ns(self) -> int | None:
        """The least that UTC is ahead of the boot clock, by the last time that was known."""
        known = self._last_known
        if known is None:
            return None
        same_boot = known.boot_id == self._clock.boot_id
        return known.utc_ns - (known.boot_ns if same_boot else 0)


def is_plausible(utc_ns: int) -> bool:
    """Whether a clock that works may say so: from 2024 to the end of 2099."""
    return UTC_NS_MIN <= utc_ns < UTC_NS_END


def _contradicts(a: _Belief, b: _Belief) -> bool:
    """They can't both be right, as ingest.proto (Anchor.voids_earlier) has it."""
    drift_ns = abs(a.at_ns - b.at_ns) * DRIFT_PPM // 1_000_000
    return abs(a.offset_ns - b.offset_ns) > a.error_ns + b.error_ns + drift_ns


def _shown(utc_ns: int) -> str:
    """For people; a number of nanoseconds where no calendar reaches."""
    try:
        return f"{datetime.fromtimestamp(utc_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S}Z"
    except (OverflowError, ValueError, OSError):
        return f"{utc_ns} ns"


def _is_news(issued: _Belief, belief: _Belief, now_ns: int) -> bool:
    """Whether a reader who holds `issued` needs `belief` too."""
    if now_ns - issued.at_ns >= ANCHOR_EVERY_NS or belief.source != issued.source:
        return True
    moved_ns = abs(belief.offset_ns - issued.offset_ns)
    if belief.source == pb.ANCHOR_SOURCE_UNKNOWN:
        return moved_ns > SYSTEM_ERROR_MIN_NS  # someone set the clock by hand
    return moved_ns > issued.error_ns or belief.error_ns < issued.error_ns // 4


class Alarm:
    """Waiting for a time or for a ring, whichever comes first: one task waits, any code of the same
    event loop rings. A ring is never lost.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, until_ns: int | None) -> None:
        """Return when rung, or at `until_ns` on the boot clock (None: only when rung)."""
        if until_ns is None:
            await self._rung.wait()
        elif not self._rung.is_set() and until_ns > self._clock.now_ns():
            sleep = asyncio.ensure_future(self._clock.sleep_until(until_ns))
            sleep.add_done_callback(self._slept)
            try:
                await self._rung.wait()
            finally:
                sleep.cancel()
        self._rung.clear()

    def _slept(self, sleep: asyncio.Task[None]) -> None:
        if not sleep.cancelled():
            self._rung.set()
