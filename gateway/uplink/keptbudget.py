"""The budget's count, kept on disk, and what status says of it.

`data-budget` lies in the buffer's folder; that of [uplinks.NAME] is `data-budget-NAME`. It is
written before the count passes what it says, and then says more, NOTE_PART of the budget or
NOTE_BYTES_MAX: a crash finds that at least as much was used as really was. A period costs no more
than some 400 writes, or one a MiB.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from gateway.amounts import resets
from gateway.amounts import size as show_size
from gateway.buffer import state
from gateway.buffer.disk import DiskThread
from gateway.config.units import Rate
from gateway.ports import Clock, Disk, RunBlocking
from gateway.report.snapshot import BudgetSnapshot, Said
from gateway.uplink.budget import ANSWER_BYTES, CONNECT_BYTES, FAILED_BYTES, Budget, Note, alone
from gateway.uplink.periods import LENGTH_NS, first_day

_log = logging.getLogger(__name__)

NAME = "data-budget"
#: What a note says ahead, and so what a power cut costs, is a part of the budget, at most so much:
#: with 1/200 of a large one, eight cuts a day would use it up.
NOTE_PART, NOTE_BYTES_MAX = 200, 1 << 20
#: A disk that refused a note is tried again after this.
RETRY_NS = 60 * 10**9
#: While the budget is used up the calendar is looked at this often.
LOOK_NS = 60 * 10**9
NEAR_SHARE = 0.8


def encode(note: Note) -> bytes:
    """The file's contents."""
    return state.sealed(json.dumps(asdict(note), sort_keys=True).encode())


def load(disk: Disk, name: str = NAME) -> Note | None:
    """The note; None if there is none. Raises OSError, ValueError."""
    text = state.read(disk, name)
    if text is None:
        if name in disk.list():
            raise ValueError("damaged")
        return None
    kept = json.loads(text)
    kept["before"] = kept["before"] and tuple(kept["before"])
    return Note(**kept)


class NoBudget:
    """No budget: everything may go, nothing is counted."""

    @property
    def is_used_up(self) -> bool:
        return False

    @property
    def is_overdrawn(self) -> bool:
        """Not even what is on its way may be waited for."""
        return False

    def shut_until_ns(self, opening: int) -> int | None:
        """None: a connection may be made, on which `opening` bytes go and come before the first
        block; else when to ask again, in boot time.
        """
        return None

    def may_send(self, size: int, answers: int, *, backlog: bool) -> bool:
        """Whether messages of `size` bytes may go now, with `answers` awaited then."""
        return True

    def misfit(self, size: int) -> Said | None:
        """Why messages of `size` bytes can go in no period at all; None: they can."""
        return None

    async def pay(self, cost: int, answers: int = 0) -> None:
        """`cost` bytes are about to go."""

    def took(self, cost: int) -> None:
        """`cost` bytes came, or, negative, were paid and did not go."""

    def not_connected(self, why: str) -> None:
        """The connection that was paid failed with this message."""

    async def keep(self) -> None:
        """Write what restarts must not forget, where that is due."""

    async def close(self) -> None:
        """The exact count, at the end."""

    def warnings(self) -> list[Said]:
        return []

    def snapshot(self) -> BudgetSnapshot | None:
        return None


class KeptBudget(NoBudget):
    """A budget. Every method belongs to the event loop's thread."""

    def __init__(
        self, budget: Budget, disk: Disk, run_blocking: RunBlocking, clock: Clock, name: str = NAME
    ) -> None:
        self._budget, self._clock, self._name = budget, clock, name
        self._disk, self._disk_thread = disk, DiskThread(run_blocking, clock)
        self._noted: Note | None = None  # since this start
        self._retry_ns = 0

    @classmethod
    async def open(
        cls,
        rate: Rate,
        disk: Disk,
        run_blocking: RunBlocking,
        clock: Clock,
        utc_ns: Callable[[int], int | None],
        *,
        name: str = NAME,
    ) -> KeptBudget:
        """Open the budget with the count of earlier runs from the file `name`. A count that can't
        be read is reported, and counting begins at 0.
        """
        found: list[Note | None] = []
        try:
            await run_blocking(lambda: found.append(load(disk, name)))
        except (OSError, ValueError, TypeError, KeyError) as error:
            _log.warning("%s is left out: %s; the count begins at 0", name, error)
        note = found[0] if found else None
        budget = Budget(rate, note, clock.now_ns(), utc_ns)
        return cls(budget, disk, run_blocking, clock, name)

    # ---- the uplink asks -------------------------------------------------------------------

    @property
    def is_used_up(self) -> bool:
        return self._budget.is_used_up

    @property
    def is_overdrawn(self) -> bool:
        return self._budget.is_overdrawn

    def shut_until_ns(self, opening: int) -> int | None:
        now_ns = self._clock.now_ns()
        if self._budget.may_connect(now_ns, opening):
            return None
        return now_ns + min(LOOK_NS, max(1, self._budget.ends_in_ns(now_ns)))

    def may_send(self, size: int, answers: int, *, backlog: bool) -> bool:
        return self._budget.may_send(size, answers, self._clock.now_ns(), backlog=backlog)

    def misfit(self, size: int) -> Said | None:
        budget, least = self._budget.rate.size_bytes, alone(size)
        if least <= budget:
            return None
        args = {"budget": show_size(budget), "least": show_size(least)}
        return Said(id="budget.too_small", args=args)

    async def pay(self, cost: int, answers: int = 0) -> None:
        self._budget.look(self._clock.now_ns())
        self._budget.count(cost)
        await self._keep(answers * ANSWER_BYTES)

    def took(self, cost: int) -> None:
        self._budget.count(cost)

    def not_connected(self, why: str) -> None:
        none = 0 if why.startswith("certificate.") else CONNECT_BYTES
        self._budget.count(FAILED_BYTES.get(why, none) - CONNECT_BYTES)

    async def keep(self) -> None:
        self._budget.look(self._clock.now_ns())
        await self._keep(0)

    async def close(self) -> None:
        if self._noted is not None and self._budget.note(0) != self._noted:
            self._retry_ns = 0
            await self._write(self._budget.note(0))

    # ---- the note --------------------------------------------------------------------------

    async def _keep(self, awaited: int) -> None:
        noted, now = self._noted, self._budget.note(awaited)
        stale_ns = LENGTH_NS[now.per] // NOTE_PART
        if (
            noted is None
            or now.used > noted.used
            or (now.period, now.highest) != (noted.period, noted.highest)
            or not 0 <= now.age_ns - noted.age_ns < stale_ns
        ):
            ahead = min(self._budget.rate.size_bytes // NOTE_PART, NOTE_BYTES_MAX)
            await self._write(self._budget.note(awaited + ahead))

    async def _write(self, note: Note) -> None:
        """A disk that fails keeps nothing back: it is said, and tried again."""
        now_ns = self._clock.now_ns()
        if now_ns < self._retry_ns:
            return
        try:
            await self._disk_thread(partial(state.write, self._disk, encode(note), self._name))
        except OSError as error:
            self._retry_ns = now_ns + RETRY_NS
            _log.warning("%s can't be written: %s", self._name, error)
            return
        self._noted = note

    # ---- what status shows -----------------------------------------------------------------

    def snapshot(self) -> BudgetSnapshot:
        now_ns = self._clock.now_ns()
        budget = self._budget
        budget.look(now_ns)
        lasts_ns = budget.lasts_ns()
        return BudgetSnapshot(
            per=budget.per,
            budget_bytes=budget.rate.size_bytes,
            used_bytes=budget.used,
            share=budget.used / budget.rate.size_bytes,
            used_up=budget.is_used_up,
            holding_backlog=budget.is_holding,
            resets_in_s=budget.ends_in_ns(now_ns) / 1e9,
            resets_on=self._day(),
            lasts_s=None if lasts_ns is None else lasts_ns / 1e9,
        )

    def warnings(self) -> list[Said]:
        now = self.snapshot()
        said = {
            "used": show_size(now["used_bytes"]),
            "budget": show_size(now["budget_bytes"]),
            "percent": f"{100 * now['share']:.0f}",
            "resets": resets(now),
        }
        if now["used_up"]:
            return [Said(id="budget.used_up", args=said)]
        if now["share"] < NEAR_SHARE:
            return []
        lasts_s = now["lasts_s"]
        if lasts_s is None:
            said["forecast"] = Said(id="budget.too_early", args={})
        elif lasts_s >= now["resets_in_s"]:
            said["forecast"] = Said(id="budget.lasts", args={})
        else:
            hours = round(lasts_s / 3600, 1)
            said["forecast"] = Said(id="budget.ends_in", args={"hours": f"{hours:g}"})
        return [Said(id="budget.near", args=said)]

    def _day(self) -> str | None:
        """The day with which the next period begins."""
        period = self._budget.period
        return None if period is None else first_day(self._budget.per, period + 1).isoformat()
