"""The daemon's side of a host: starts it, accounts for its ticks, and starts it again.

A host that ends, says nothing for HANG_S or does not keep to the frames is killed; another one
follows after a back-off. Ticks meanwhile are accounted here, so that nothing is missing in silence.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drivers.api import DevicePlan, LinkSpec, OpenedLinks
from drivers.host.accounts import TickAccount
from drivers.host.frames import (
    CONFIG,
    EVENTS,
    GO,
    READY,
    ROW,
    STATE,
    UTC,
    FrameError,
    Frames,
    pack_json,
    unpack_events,
    unpack_row,
    unpack_state,
)
from drivers.host.newest import newest
from drivers.host.snapshots import CAUSES, HostedDevice, HostedLink, device_snapshot, link_snapshot
from drivers.host.source import GroupAsked, LinkAsked, asked_as_json
from drivers.phases import phase_of
from drivers.quality import BAD_LINK_DOWN, GOOD
from drivers.runner import TURN_S_MAX
from native.rows.group import Group, Pool

_log = logging.getLogger(__name__)

#: A host says something twice a second; after so long without a word it hangs.
HANG_S = 4.0
#: Until it has imported its driver.
START_S_MAX = 30.0
#: A tick whose row has not come so long after it was due is overrun.
GRACE_NS = 2_000_000_000
#: Looks at the accounts while nothing comes.
LOOK_S = 0.25
#: Before a host is started again: at first, and at most.
RESTART_S, RESTART_S_MAX = 0.25, 4.0
#: A host that ends again and again is logged once in this many seconds.
LOG_EVERY_S = 600.0
#: One that lived so long is started again at once.
GOOD_S = 30.0
_READ_BYTES = 1 << 18


def now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class HostRunner:
    """The `Runner` of one driver. `source`: "module:function", called in the host with
    each `LinkAsked`.
    """

    def __init__(self, driver: str, source: str, links: Sequence[HostedLink]) -> None:
        self._driver, self._source, self._links = driver, source, links
        self._devices = {each.plan.spec.name: each for link in links for each in link.devices}
        self._accounts = {
            group.snapshot()["id"]: accounts
            for device in self._devices.values()
            for group, accounts in zip(device.groups, device.accounts, strict=True)
        }
        self._asked = [_asked(link) for link in links]
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self._bell)
        self._stopping = False
        self._utc_ahead_ns = self._utc_told = 0  # not known
        self._cause: dict[str, Any] | None = None
        self.pid = 0  # of the host; 0: none
        self.restarts = 0
        self.turns = 0

    def run(self) -> None:
        for link in self._links:
            link.since_ns = now_ns()
        failures, quiet_until = 0, 0.0
        while not self._stopping:
            begun = time.monotonic()
            self._cause = self._one_host()
            for link in self._links:
                link.forget()
            self._begin()
            if self._stopping:
                break
            failures = 0 if time.monotonic() - begun >= GOOD_S else failures + 1
            self.restarts += 1
            if begun >= quiet_until:  # one that crashes each few seconds is one trouble
                quiet_until = begun + LOG_EVERY_S
                _log.warning(
                    "the process of driver %s ended (restart %d): %s",
                    self._driver, self.restarts, self._cause,
                )  # fmt: skip
            rest_s = min(RESTART_S_MAX, RESTART_S * 2.0 ** min(failures, 10))
            self._rest(time.monotonic() + rest_s)
        self._settle(0, BAD_LINK_DOWN)

    def stop(self) -> None:
        self._stopping = True
        os.eventfd_write(self._bell, 1)

    def links(self) -> list[dict[str, Any]]:
        return [link_snapshot(link, self._cause, now_ns()) for link in self._links]

    def devices(self, brief: bool = False) -> list[dict[str, Any]]:
        now = now_ns()
        return [
            device_snapshot(self._driver, link, device, brief, now)
            for link in self._links
            for device in link.devices
        ]

    def learn(self) -> None:
        """What is learned lives in the host."""

    def lookups(self) -> list[Callable[[], object]]:
        return []

    # ---- one host ----------------------------------------------------------------------------

    def _one_host(self) -> dict[str, Any]:
        """From its start to its end; why it ended."""
        ours, its = socket.socketpair()
        with ours:
            with its:
                host = subprocess.Popen(
                    [sys.executable, "-m", "drivers.host.child", str(its.fileno())],
                    pass_fds=[its.fileno()],
                    stdin=subprocess.PIPE,  # whose end ends it
                    stdout=subprocess.DEVNULL,
                )  # fmt: skip
            self.pid = host.pid
            try:
                why = self._serve(ours)
            except (OSError, LookupError, TypeError, ValueError, ArithmeticError) as error:
                # Whatever a host says ends that host, never the daemon's thread.
                why = f"{type(error).__name__}: {error}"
            finally:
                self.pid = 0
                host.kill()
                status = host.wait()
                assert host.stdin is not None
                host.stdin.close()
        return {"id": "host.ended", "args": {"driver": self._driver, "why": why, "status": status}}

    def _serve(self, ours: socket.socket) -> str:
        asked = asked_as_json(self._asked)
        ours.settimeout(TURN_S_MAX)  # one that hangs reads nothing
        ours.sendall(pack_json(CONFIG, {"source": self._source, "links": asked}))
        ours.setblocking(False)
        frames, ready = Frames(), False
        heard = time.monotonic()
        poll = select.poll()
        for fd in (ours.fileno(), self._bell):
            poll.register(fd, select.POLLIN)
        while not self._stopping:
            if any(fd == ours.fileno() for fd, _ in poll.poll(LOOK_S * 1000)):
                if not (data := ours.recv(_READ_BYTES)):
                    return "it ended"
                heard = time.monotonic()
                for kind, payload in frames.feed(data):
                    ready = ready or kind == READY
                    self._take(ours, kind, payload)
            silent_s = time.monotonic() - heard
            if silent_s > (HANG_S if ready else START_S_MAX):
                return f"no sign of life for {silent_s:.0f} s"
            if ready:
                self._tell_utc(ours)
            # Rows that wait in the socket come first; a host that is late is too slow.
            self._settle(GRACE_NS if ready else 0, GOOD if ready else BAD_LINK_DOWN)
        return "stopped"

    def _take(self, ours: socket.socket, kind: int, payload: bytes) -> None:
        if kind == READY:
            self._go(ours)
        elif kind == ROW:
            row = unpack_row(payload)
            accounts = self._accounts.get(row.group)
            if accounts is None:
                raise FrameError(f"there is no group {row.group}")
            if not 0 <= row.mid_ns <= now_ns() + GRACE_NS - 1000 * row.half_span_us:
                raise FrameError("a row of no time that was")
            accounts.row(row)
        elif kind == EVENTS:
            group, lost, events = unpack_events(payload)
            if (accounts := self._accounts.get(group)) is None:
                raise FrameError(f"there is no group {group}")
            latest_ns = now_ns() + GRACE_NS
            if any(one.at_ns > latest_ns for one in events):
                raise FrameError("events of no time that was")
            accounts.events(lost, events)
        elif kind == STATE:
            self._said(unpack_state(payload, [link.spec.name for link in self._links]))
        else:
            raise FrameError(f"frame {kind} is not the host's")

    def _go(self, ours: socket.socket) -> None:
        """Scanning begins, or goes on behind the ticks that were accounted meanwhile."""
        self._settle(0, BAD_LINK_DOWN)
        self._begin()
        told = {number: accounts.told() for number, accounts in self._accounts.items()}
        self._utc_told = 0
        ours.settimeout(HANG_S)
        self._tell_utc(ours)
        ours.sendall(pack_json(GO, told))
        ours.setblocking(False)

    def know_utc(self, ahead_ns: int) -> None:
        """UTC is the boot clock and so much. Any thread."""
        self._utc_ahead_ns = ahead_ns
        for accounts in self._accounts.values():
            accounts.schedule.know_utc(ahead_ns)

    def _tell_utc(self, ours: socket.socket) -> None:
        """The host's ticks follow UTC."""
        if (ahead_ns := self._utc_ahead_ns) != self._utc_told:
            self._utc_told = ahead_ns
            ours.sendall(pack_json(UTC, ahead_ns))

    def _begin(self) -> None:
        """The first ticks are due when the first host is ready, or has failed to become so, in
        their phases.
        """
        now = now_ns()
        for device in self._devices.values():
            phase = phase_of(device.plan)
            for accounts in device.accounts:
                if not accounts.schedule.start_ns:
                    accounts.begin(now + phase)

    def _said(self, said: Mapping[str, Any]) -> None:
        now = now_ns()
        for link in self._links:
            link.said = said[link.spec.name]
            if link.up != link.was_up:
                link.was_up, link.since_ns = link.up, now

    def _rest(self, until: float) -> None:
        while not self._stopping and (left := until - time.monotonic()) > 0:
            select.select([self._bell], [], [], min(left, LOOK_S))
            self._settle(0, BAD_LINK_DOWN)

    def _settle(self, grace_ns: int, quality: int) -> None:
        self.turns += 1
        now = now_ns()
        for accounts in self._accounts.values():
            accounts.settle(now, grace_ns, quality)


def _asked(link: HostedLink) -> LinkAsked:
    groups = [
        GroupAsked(group.snapshot()["id"], plan.device, plan.period_ns, plan.tags)
        for device in link.devices
        for plan, group in zip(device.plan.groups, device.groups, strict=True)
    ]
    spec = link.spec
    framing = link.devices[0].plan.spec.framing
    return LinkAsked(spec.name, spec.host, spec.tcp_port, spec.timeout_ns, framing, tuple(groups))


def open_hosted(
    driver: str,
    source: str,
    links: Sequence[tuple[LinkSpec, Sequence[DevicePlan]]],
    first_group: int,
    pool: Pool | None = None,
) -> OpenedLinks:
    """What `HostedDriver.open` returns; the host starts when the runner runs."""
    pool = Pool() if pool is None else pool
    number = first_group
    hosted, groups = [], []
    for spec, plans in links:
        devices = []
        for plan in plans:
            own = [Group(number + i, group, pool) for i, group in enumerate(plan.groups)]
            accounts = [
                TickAccount(group, made.period_ns, made.tags, align=plan.spec.align)
                for group, made in zip(own, plan.groups, strict=True)
            ]
            number += len(own)
            groups += own
            devices.append(HostedDevice(plan, own, accounts))
        hosted.append(HostedLink(spec, devices))
    by_name = {each.plan.spec.name: each.groups for link in hosted for each in link.devices}

    runner = HostRunner(driver, source, hosted)
    return OpenedLinks(
        runners=(runner,),
        groups=tuple(groups),
        latest=lambda device: newest(by_name[device], CAUSES),
        learned=dict,
        know_utc=runner.know_utc,
    )
