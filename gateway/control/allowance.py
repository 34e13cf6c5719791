"""How much of the daemon's time each user's requests may take. No I/O, no clock.

The answers are worked out on the loop that also seals and sends, and a status of a thousand devices
takes a tenth of a second. So each user has SHARE of the loop's time, and BURST_S at once: somebody
who types commands never notices, a script that asks without end waits between its answers.
"""

from __future__ import annotations

SHARE = 0.1
BURST_S = 0.5
#: What a request takes at least, beside what it asks for: to be read, and to be answered.
LEAST_S = 0.0002


class Allowance:
    """What each user id may still ask for. Times are seconds of any monotonic clock."""

    def __init__(self) -> None:
        self._owed: dict[int, tuple[float, float]] = {}  # seconds of work, and when that was so

    def charge(self, uid: int, worked_s: float, now_s: float) -> None:
        """So much of the loop's time was spent for that user."""
        self._owed[uid] = (self._owes(uid, now_s) + max(LEAST_S, worked_s), now_s)

    def wait_s(self, uid: int, now_s: float) -> float:
        """How long the user's next request must wait; 0: not at all."""
        return max(0.0, self._owes(uid, now_s) - BURST_S) / SHARE

    def _owes(self, uid: int, now_s: float) -> float:
        owed, at_s = self._owed.get(uid, (0.0, now_s))
        return max(0.0, owed - (now_s - at_s) * SHARE)
