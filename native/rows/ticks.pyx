"""The schedule of a group that is scanned from Python: in a driver's host, and in the daemon, which
keeps its books.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from native.rows.store cimport group_t


cdef class Schedule:
    """When the ticks of a group of this period, in ns, are due; `aligned`: at whole multiples of it
    in UTC, once that is known. Times are of the boot clock. One thread; `know_utc`: any.
    """

    cdef group_t g

    def __cinit__(self, int64_t period_ns, bint aligned):
        if period_ns <= 0:
            raise ValueError(f"a period of {period_ns} ns")
        memset(&self.g, 0, sizeof(group_t))
        self.g.period_ns, self.g.aligned = period_ns, aligned

    def begin(self, int64_t start_ns) -> None:
        """Tick 0 is, or was, due at `start_ns`."""
        self.g.start_ns = start_ns

    def follow(self, shift_ns: int | None, uint64_t passed) -> None:
        """Go on as another schedule of the group, which gives these."""
        self.g.on_grid = shift_ns is not None
        self.g.shift_ns = shift_ns or 0
        self.g.passed = passed

    def know_utc(self, int64_t ahead_ns) -> None:
        """UTC is the boot clock and so much."""
        store_ns(&self.g.utc_ns, ahead_ns)

    def following(self, uint64_t tick) -> int:
        """Before `tick` is waited for: which tick is. It is the next one where no multiple of the
        period fell to this.
        """
        return group_align(&self.g, tick)

    def due_ns(self, uint64_t tick) -> int:
        """When that tick is due."""
        return due_of(&self.g, tick)

    def newest(self, int64_t now_ns) -> int:
        """The newest tick that is due then; 0 before the first."""
        return tick_at(&self.g, now_ns)

    @property
    def aligned(self) -> bool:
        """Whether its ticks are to be at whole multiples."""
        return self.g.aligned

    @property
    def start_ns(self) -> int:
        """When tick 0 was due; 0: it has not begun."""
        return self.g.start_ns

    @property
    def shift_ns(self) -> int | None:
        """Ticks are due so much later than their numbers say; None: not aligned yet."""
        return self.g.shift_ns if self.g.on_grid else None

    @property
    def passed(self) -> int:
        """The last tick that no multiple fell to; 0: none."""
        return self.g.passed
