"""Anchors of one boot, and what moments on its clock are: proto/README.md, "UTC"."""

from __future__ import annotations

from typing import Any

_DAY_NS = 86_400 * 1_000_000_000
_NOON_NS = 1_795_000_000 * 1_000_000_000


def _anchor(boot_ns: int, utc_ns: int, source: int, error_ns: int, voids: bool = False) -> Any:
    return {
        "boot_time_ns": boot_ns, "utc_ns": utc_ns, "source": source, "error_ns": error_ns,
        "voids_earlier": voids,
    }  # fmt: skip


def _moment(boot_ns: int, utc_ns: int, uncertain: bool = False) -> Any:
    return {"boot_ns": boot_ns, "utc_ns": utc_ns, "uncertain": uncertain}


_UNKNOWN, _SYSTEM, _PLATFORM, _LAST_KNOWN, _LATER = 1, 2, 3, 4, 99
_SECOND = 1_000_000_000
_RIGHT = _anchor(100 * _SECOND, _NOON_NS, _SYSTEM, 1_000_000)
_AHEAD = _anchor(10 * _SECOND, _NOON_NS - 90 * _SECOND + _DAY_NS, _PLATFORM, 500_000)


#: Each with what it is about, its anchors and the moments.
UTC_CASES: list[dict[str, Any]] = [
    {
        "about": "one anchor, before and after it",
        "anchors": [_RIGHT],
        "moments": [
            _moment(0, _NOON_NS - 100 * _SECOND),
            _moment(160 * _SECOND, _NOON_NS + 60 * _SECOND),
        ],
    },
    {
        "about": "a later, better anchor mends earlier times",
        "anchors": [
            _anchor(10 * _SECOND, 10 * _SECOND, _UNKNOWN, 2**63 - 1),
            _anchor(20 * _SECOND, _NOON_NS - 80 * _SECOND + 30_000_000, _PLATFORM, 40_000_000),
            _RIGHT,
        ],
        "moments": [
            _moment(10 * _SECOND, _NOON_NS - 90 * _SECOND),
            _moment(20 * _SECOND, _NOON_NS - 80 * _SECOND),
        ],
    },
    {
        "about": "the nearer of two where the errors are alike",
        "anchors": [
            _RIGHT,
            _anchor(1100 * _SECOND, _NOON_NS + 1000 * _SECOND + 50, _SYSTEM, 10**6),
        ],
        "moments": [
            _moment(599 * _SECOND, _NOON_NS + 499 * _SECOND),
            _moment(601 * _SECOND, _NOON_NS + 501 * _SECOND + 50),
        ],
    },
    {
        "about": "a platform a day ahead; the anchor that voids it",
        "anchors": [_AHEAD, {**_RIGHT, "voids_earlier": True}],
        "moments": [_moment(10 * _SECOND, _NOON_NS - 90 * _SECOND)],
    },
    {
        "about": "the same where nothing says which of them is wrong: uncertain",
        "anchors": [_AHEAD, _RIGHT],
        "moments": [
            _moment(10 * _SECOND, _NOON_NS - 90 * _SECOND + _DAY_NS, True),
            _moment(100 * _SECOND, _NOON_NS, True),
        ],
    },
    {
        "about": "no source that vouches: the last known time, marked",
        "anchors": [
            _anchor(0, 5, _UNKNOWN, 2**63 - 1),
            _anchor(10 * _SECOND, _NOON_NS, _LAST_KNOWN, 2**63 - 1),
        ],
        "moments": [_moment(11 * _SECOND, _NOON_NS + _SECOND, True)],
    },
    {
        "about": "a source of a later version vouches for nothing",
        "anchors": [_anchor(10 * _SECOND, _NOON_NS, _LATER, 1)],
        "moments": [_moment(10 * _SECOND, _NOON_NS, True)],
    },
]
