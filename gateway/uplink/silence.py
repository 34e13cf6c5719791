"""When a stream is dead: heartbeats, and what silence means. No I/O, no clock.

Idle, the box asks each `heartbeat_ms` of Welcome; a heartbeat that is not answered within DEAD_NS,
since it waits for no store, or three of them without a word are silence. While answers are awaited
the platform is asked after ASK_NS without a word, and dead after DEAD_NS.
"""

from __future__ import annotations

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.uplink.history import WELCOME_NS_MAX, WELCOME_NS_MIN, History, SessionError
from gateway.uplink.pace import Pace

HEARTBEAT_NS_DEFAULT = 10 * 10**9
HEARTBEAT_NS_MIN, HEARTBEAT_NS_MAX = 200_000_000, 300 * 10**9
HEARTBEATS_LOST_MAX = 3
#: While answers are awaited: a question after so long without a word, the end after so long.
ASK_NS, DEAD_NS = 3 * 10**9, 9 * 10**9


class Silence:
    """When the platform was last heard on one stream, counted from its Hello."""

    def __init__(self, history: History, pace: Pace) -> None:
        self._history, self._pace = history, pace
        self._connected_ns = self._heard_ns = self._sent_ns = 0
        self._welcomed = False
        self._busy_ns: int | None = None  # since when answers are awaited
        self._heartbeat_ns = HEARTBEAT_NS_DEFAULT
        self._silence_ns_max = 0
        self._beats: dict[int, int] = {}  # heartbeats that wait for their answer: when sent
        self._beat_id = 0

    def connected(self, now_ns: int) -> None:
        self._connected_ns = self._heard_ns = self._sent_ns = now_ns

    def welcomed(self, heartbeat_ms: int, now_ns: int) -> int:
        """The platform answers; when it was asked."""
        self._welcomed = True
        if heartbeat_ms:
            asked_ns = heartbeat_ms * 1_000_000
            self._heartbeat_ns = min(max(asked_ns, HEARTBEAT_NS_MIN), HEARTBEAT_NS_MAX)
        # However short the heartbeats, the first answer takes a round trip, as Welcome did.
        round_trip_ns = now_ns - self._connected_ns
        self._silence_ns_max = HEARTBEATS_LOST_MAX * self._heartbeat_ns + round_trip_ns
        self._history.welcome_ns_max = WELCOME_NS_MIN
        self._sent_ns = now_ns - self._heartbeat_ns  # the first heartbeat measures the link
        return self._connected_ns

    def heard(self, now_ns: int) -> None:
        """The other side lives: it said something, or took more of what waited."""
        self._heard_ns = now_ns

    def sent(self, now_ns: int) -> None:
        self._sent_ns = now_ns

    def awaits(self, now_ns: int, *, answers: bool) -> None:
        """Whether answers are awaited."""
        if not answers:
            self._busy_ns = None
        elif self._busy_ns is None:
            self._busy_ns = now_ns

    def _since_ns(self) -> int:
        return max(self._heard_ns, self._busy_ns or 0)

    @property
    def _beat_due_ns(self) -> int:
        due_ns = self._sent_ns + self._heartbeat_ns
        if self._busy_ns is not None and not self._beats:
            due_ns = min(due_ns, self._since_ns() + min(ASK_NS, self._heartbeat_ns))
        return due_ns

    @property
    def _dead_ns(self) -> int:
        idle_ns = self._heard_ns + self._silence_ns_max
        # A slow answer is no dead link: as long as the last took, thrice.
        busy_ns = max(DEAD_NS, 3 * (self._history.round_trip_ns or 0))
        if self._busy_ns is not None:
            return min(idle_ns, self._since_ns() + busy_ns)
        if self._beats:  # a heartbeat is answered whatever the platform does
            asked_ns = max(self._heard_ns, min(self._beats.values()))
            return min(idle_ns, asked_ns + busy_ns)
        return idle_ns

    @property
    def next_ns(self) -> int:
        """When `timer` must be called, at the latest."""
        if not self._welcomed:
            return self._connected_ns + self._history.welcome_ns_max
        return min(self._beat_due_ns, self._dead_ns)

    def timer(self, now_ns: int) -> list[bytes]:
        """What is due. Raises SessionError("uplink.silent") when the platform is."""
        if not self._welcomed:
            waited_ns = now_ns - self._connected_ns
            if waited_ns < self._history.welcome_ns_max:
                return []
            self._history.welcome_ns_max = min(WELCOME_NS_MAX, 2 * self._history.welcome_ns_max)
            raise SessionError("uplink.silent", seconds=round(waited_ns / 1e9))
        if now_ns >= self._dead_ns:
            silent_ns = now_ns - self._since_ns()
            raise SessionError("uplink.silent", seconds=round(silent_ns / 1e9))
        return [self._beat(now_ns)] if now_ns >= self._beat_due_ns else []

    def mark(self, now_ns: int) -> bytes | None:
        """A heartbeat that measures the link, where one is wanted now."""
        if not self._welcomed or self._beats or not self._pace.wants_mark:
            return None
        return self._beat(now_ns)

    def _beat(self, now_ns: int) -> bytes:
        self._beat_id += 1
        self._beats = {k: v for k, v in self._beats.items() if k > self._beat_id - 4}
        self._beats[self._beat_id] = now_ns
        asked = pb.Heartbeat(id=self._beat_id, wants_utc=self._history.wants_time())
        beat = pb.StreamRequest(heartbeat=asked).SerializeToString()
        self._sent_ns = now_ns
        self._pace.went(len(beat))
        self._pace.mark(self._beat_id, now_ns)
        return beat

    def answered(self, number: int, now_ns: int) -> int | None:
        """The platform answers a heartbeat; when that was sent, None if none waits for it."""
        asked_ns = self._beats.pop(number, None)
        if asked_ns is None:
            return None
        self._beats = {k: v for k, v in self._beats.items() if k > number}
        self._history.round_trip_ns = now_ns - asked_ns
        self._pace.answered(number, now_ns, at_once=True)
        self._history.room = self._pace.room
        return asked_ns
