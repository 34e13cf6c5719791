"""A device's state and what is wrong, in words, from what the native floor counted."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

#: What a driver says of a quality and its protocol's code, where it has words of its own.
Own = Callable[[int, int], dict[str, Any] | None]

#: What is refused with these codes was not answered at all (native/engine/counts.pxd): though the
#: device answers others; or nothing does it answer.
MUTE, SILENT = 0, 0xFFFF
#: errno of an open or a connection -> id of the text that says what to do about it.
SERIAL_CAUSES = {
    errno.ENOENT: "link.port_missing",
    errno.ENODEV: "link.port_missing",
    errno.ENXIO: "link.port_missing",
    errno.EIO: "link.port_missing",
    errno.EBUSY: "link.port_busy",
}
NET_CAUSES = {
    errno.ECONNREFUSED: "link.refused",
    errno.ECONNRESET: "link.reset",
    errno.EPIPE: "link.reset",
    errno.EPROTO: "link.garbage",
    errno.ETIMEDOUT: "link.timeout",
    errno.EADDRNOTAVAIL: "link.unreachable",
    # From here on TLS_* of native/wire/transport.pxd.
    4097: "link.tls_files",
    4098: "link.tls_untrusted",
    4099: "link.tls_dates",
    4100: "link.tls_name",
    4101: "link.tls_weak",
    4102: "link.tls_refused",
    4103: "link.tls_no_common",
    4104: "link.tls_not",
    4105: "link.tls_hung_up",
    4106: "link.tls_timeout",
    4107: "link.tls_failed",
}
_QUALITY_CAUSES = {
    129: "device.no_answer",
    131: "device.damaged",
    132: "device.wrong_answer",
    133: "device.refused",
    134: "device.failure",
    135: "device.busy",
    136: "device.gateway",
    138: "device.not_heard",
}
#: What tags of a device that does answer may have in common. Silence may be that of a slow group
#: whose turn has not come since.
_TAG_CAUSES = {
    **{quality: _QUALITY_CAUSES[quality] for quality in range(131, 137)},
    137: "device.not_a_value",
}
#: So many times as many values must speak for another byte order as against it.
FITS_TIMES = 3
_OUT_OF_RANGE, _SOURCE_DOUBTS, NOT_ASKED, _NO_VALUE = 65, 67, 138, 139


def likely_order(fitting: Iterable[Mapping[str, tuple[int, int]]]) -> str:
    """The byte order in which values that are outside their limits would mostly be inside, and
    hardly one outside; "" where there is none. `fitting`: native.block.latest.orders_fitting of
    each group.
    """
    inside: Counter[str] = Counter()
    outside: Counter[str] = Counter()
    for group in fitting:
        for order, (more, less) in group.items():
            inside[order] += more
            outside[order] += less
    for order in ("CDAB", "DCBA", "BADC", "ABCD"):  # the first is the commonest by far
        if inside[order] > FITS_TIMES * outside[order]:
            return order
    return ""


def judge(
    own: Own, found: dict[str, Any], link_state: str, tags: Mapping[int, int], silence: int
) -> tuple[str, Mapping[str, Any] | None]:
    """The device's state and its cause in words; takes the native keys out of `found`.
    `tags`: how many have which quality; `silence`: the quality of what is not known better.
    """
    silent, ever = found.pop("silent"), found.pop("ever")
    quality, code = found.pop("quality"), found.pop("exception")
    if link_state != "up":
        return "silent", {"id": "device.link_down", "args": {"link": found["link"]}}
    if silent:  # without a cause where it is waited out: late answers may come
        return "silent", _cause(own, quality or silence, code)
    if not ever:
        return "starting", _cause(own, quality, code)
    # Where the device says "none", it was read.
    stopped = own(_SOURCE_DOUBTS, code) if tags.get(_SOURCE_DOUBTS, 0) else None
    if bad := {each: count for each, count in tags.items() if each >= 128 and each != _NO_VALUE}:
        if stopped:
            found["beside"] = stopped
        return "partly", _of_tags(own, bad, sum(tags.values()), quality, code) or {
            "id": "device.partly",
            "args": {"count": sum(bad.values()), "device": found["name"]},
        }
    if stopped:
        return "good", stopped
    if doubtful := tags.get(_OUT_OF_RANGE, 0):
        args = {"count": doubtful, "device": found["name"]}
        return "good", {"id": "device.out_of_range", "args": args}
    if none := tags.get(_NO_VALUE, 0):
        return "good", {"id": "device.no_value", "args": {"count": none, "device": found["name"]}}
    return "good", None


def _cause(own: Own, quality: int, code: int) -> dict[str, Any] | None:
    if (said := own(quality, code)) is not None:
        return said
    message = _QUALITY_CAUSES.get(quality) or _TAG_CAUSES.get(quality)
    return {"id": message, "args": {}} if message else None


def _of_tags(
    own: Own, bad: Mapping[int, int], tags: int, last: int, code: int
) -> dict[str, Any] | None:
    """What most of the bad tags have in common, and how many that are where not all are; those
    that were not asked share the device's `last` failure. None where it is this and that.
    """
    causes: Counter[int] = Counter()
    for quality, count in bad.items():
        causes[last or quality if quality == NOT_ASKED else quality] += count
    worst, count = causes.most_common(1)[0]
    cause = (
        _cause(own, worst, code) if worst in _TAG_CAUSES and 2 * count > causes.total() else None
    )
    if cause and count < tags:
        cause["args"] |= {"bad": count, "tags": tags}
    return cause
