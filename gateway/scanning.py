"""The drivers' side of the daemon: plans, links, and a thread for each runner.

Host names are looked up, and certificate files read again, in a thread of its own, which nothing
waits for: where the name server is dark one look-up takes half a minute.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from drivers import registry
from drivers.api import (
    DevicePlan,
    DeviceSpec,
    Driver,
    HostedDriver,
    NativeDriver,
    OpenedLinks,
)
from drivers.runner import Runner
from drivers.scan import open_links
from gateway.config.model import GatewayConfig
from gateway.messages import some
from gateway.report.snapshot import Said
from gateway.watchdog import Part
from native.rows.group import Pool

_log = logging.getLogger(__name__)

#: A runner stops within 100 ms, plus the answers under way (0.6 s); twice that is a hung thread.
STOP_S_MAX = 2.0
#: Seconds between two rounds of name lookups.
LOOKUP_EVERY_S = 1.0


def _said(runner: Runner) -> Said:
    """The thread of a runner, by its links."""
    names = [link["name"] for link in runner.links()]
    if not names:
        return Said(id="daemon.part_listener", args={})
    return Said(id="daemon.part_links", args={"links": some(names)})


class Scanning:
    """Every link and device of the configuration. `start`, then `stop` once; snapshots at any
    time.
    """

    def __init__(self, config: GatewayConfig, kept: Mapping[str, Any]) -> None:
        """`kept`: what `learned` gave in an earlier run."""
        self._kept = kept
        self._pool = Pool()
        self._opened: list[OpenedLinks] = []
        self.groups: list[Any] = []
        self.catalog_groups: list[tuple[int, DeviceSpec, Any]] = []
        self._specs = {device.name: device for device in config.devices}
        self._owner: dict[str, OpenedLinks] = {}
        self._threads: list[threading.Thread] = []
        #: What each of these threads is to people.
        self._said: list[Said] = []
        self._lookups: threading.Thread | None = None
        self._stopping = threading.Event()
        self.failed: list[str] = []
        drivers = {name: registry.get(name) for name in {each.driver for each in config.devices}}
        # A link of the native floor is opened once, whoever has devices on it.
        native = {name for name, driver in drivers.items() if isinstance(driver, NativeDriver)}
        if native:
            self._open(native, open_links, drivers, config)
        for name, driver in sorted(drivers.items()):
            if isinstance(driver, HostedDriver):
                self._open({name}, driver.open, drivers, config)

    def _open(
        self,
        names: Collection[str],
        opening: Callable[..., OpenedLinks],
        drivers: Mapping[str, Driver],
        config: GatewayConfig,
    ) -> None:
        """Have the links with devices of these drivers opened."""
        plans: dict[str, list[DevicePlan]] = {}
        for device in config.devices:
            if device.driver in names:
                plans.setdefault(device.link.name, []).append(drivers[device.driver].plan(device))
        links = [(link, plans[link.name]) for link in config.links if link.name in plans]
        number = len(self.groups)
        opened = opening(links, number, self._kept, self._pool)
        self._opened.append(opened)
        self.groups.extend(opened.groups)
        for _, on_link in links:
            for plan in on_link:
                self._owner[plan.spec.name] = opened
                for group in plan.groups:
                    self.catalog_groups.append((number, plan.spec, group))
                    number += 1

    @property
    def runners(self) -> list[Runner]:
        return [runner for opened in self._opened for runner in opened.runners]

    def start(self, utc_ahead_ns: int | None) -> None:
        """UTC is the boot clock and so much; None: not known yet."""
        if utc_ahead_ns is not None:
            self.know_utc(utc_ahead_ns)
        for i, runner in enumerate(self.runners):
            self._said.append(_said(runner))
            thread = threading.Thread(
                target=self._run, args=(runner,), name=f"scan-{i}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        lookups = [lookup for runner in self.runners for lookup in runner.lookups()]
        if lookups:
            self._lookups = threading.Thread(
                target=self._look_up, args=(lookups,), name="look-up", daemon=True
            )
            self._lookups.start()

    def _look_up(self, lookups: Sequence[Callable[[], object]]) -> None:
        while not self._stopping.is_set():
            for lookup in lookups:
                lookup()
                if self._stopping.is_set():
                    return
            self._stopping.wait(LOOKUP_EVERY_S)

    def _run(self, runner: Runner) -> None:
        name = threading.current_thread().name
        try:
            runner.run()
        except BaseException:
            self.failed.append(name)
            _log.exception("scan thread %s ended with an error", name)
            raise

    def stop(self) -> bool:
        """Stop scanning; False when a scan thread does not end. May wait: call it outside the event
        loop. A look-up that is under way ends by itself, later.
        """
        self._stopping.set()
        for runner in self.runners:
            runner.stop()
        for thread in self._threads:
            thread.join(STOP_S_MAX)
        return not any(thread.is_alive() for thread in self._threads)

    def dead_threads(self) -> list[Said]:
        """Threads that ended by themselves: never right while the daemon runs."""
        threads = list(zip(self._threads, self._said, strict=True))
        if self._lookups:
            threads.append((self._lookups, Said(id="daemon.part_lookups", args={})))
        return [said for thread, said in threads if not thread.is_alive()]

    def parts(self) -> list[Part]:
        """The threads of the links, for the watchdog; after `start`."""
        return [
            Part(said, partial(getattr, runner, "turns"))
            for said, runner in zip(self._said, self.runners, strict=True)
        ]

    def learn(self) -> None:
        """Plans may be made anew: call it outside the event loop."""
        for runner in self.runners:
            runner.learn()

    def know_utc(self, ahead_ns: int) -> None:
        """UTC is the boot clock and so much. Any thread."""
        for opened in self._opened:
            opened.know_utc(ahead_ns)

    def learned(self) -> dict[str, Any]:
        """What the drivers want to keep over a restart, by device."""
        return {name: found for opened in self._opened for name, found in opened.learned().items()}

    def links(self) -> list[Any]:
        return [link for runner in self.runners for link in runner.links()]

    def devices(self, *, brief: bool = False) -> list[Any]:
        """`brief`: without what each device's groups did, and what was learned of it."""
        return [device for runner in self.runners for device in runner.devices(brief)]

    def device_names(self) -> list[str]:
        return list(self._specs)

    def latest(self, device: str) -> list[dict[str, Any]]:
        """The newest raw value of each tag of a device, as its driver gives it."""
        return self._owner[device].latest(device)
