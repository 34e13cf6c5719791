"""The daemon's deaths in a story, and how much of the stream each may cost.

A crash may take what was sampled within `flush_every` before it, and the time until the next run:
the gap that announces it must cover no more. All times are of the boot clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.kit.books import Gap, Stored


@dataclass(slots=True)
class _Crash:
    """From the moment before the SIGKILL until the next run answered."""

    killed_ns: int
    answered_ns: int = 0


@dataclass(slots=True)
class Crashes:
    """`lost_ns_max`: `flush_every`, and how late a busy machine may be with it."""

    lost_ns_max: int
    began_ns: int = 0
    _all: list[_Crash] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._all)

    def starting(self, now_ns: int) -> None:
        """A run is about to be started."""
        self.began_ns = self.began_ns or now_ns

    def killing(self, now_ns: int) -> None:
        self._all.append(_Crash(now_ns))

    @property
    def last_ns(self) -> int:
        """When the last one was killed."""
        return self._all[-1].killed_ns

    def answered(self, now_ns: int) -> None:
        """A run answers."""
        if self._all and not self._all[-1].answered_ns:
            self._all[-1].answered_ns = now_ns

    def wide_gaps(self, stored: Stored, period_ns: dict[str, int]) -> list[str]:
        """Crash gaps that reach further than they may, by more than a period of their device.

        Of an epoch that left no trace the gap begins anywhere before; the first had none before it.
        """
        allowed = [(0, self.began_ns)]
        allowed += [(one.killed_ns - self.lost_ns_max, one.answered_ns) for one in self._all]
        return [
            f"{gap.device}: {beyond_ns / 1e9:.3f} s"
            for gap in stored.gaps
            if gap.reason == "crash"
            and (beyond_ns := _beyond_ns(gap, allowed)) > period_ns.get(gap.device or "", 0)
        ]

    def lost_s(self, stored: Stored) -> float:
        """The most that a kill took of what was sampled before it, in seconds."""
        gaps = [gap for gap in stored.gaps if gap.reason == "crash"]
        took_ns = [
            one.killed_ns - gap.start_ns
            for one in self._all
            for gap in gaps
            if gap.start_ns < one.killed_ns < gap.end_ns
        ]
        return max(took_ns, default=0) / 1e9

    def text(self, stored: Stored) -> str:
        """The longest of all, for people."""
        gaps = [g for g in stored.gaps if g.reason == "crash" and g.device]
        longest = max((gap.end_ns - gap.start_ns for gap in gaps), default=0)
        away = max(one.answered_ns - one.killed_ns for one in self._all)
        return (
            f"kills {len(self)}: longest gap {longest / 1e9:.2f} s,"
            f" longest from a kill to the next answer {away / 1e9:.2f} s"
        )


def _beyond_ns(gap: Gap, allowed: list[tuple[int, int]]) -> int:
    """How much of the gap lies in none of the spans `allowed`, which ascend."""
    beyond, at_ns = 0, gap.start_ns
    for start_ns, end_ns in allowed:
        if start_ns > at_ns:
            beyond += max(0, min(start_ns, gap.end_ns) - at_ns)
        at_ns = max(at_ns, end_ns)
    return beyond + max(0, gap.end_ns - at_ns)
