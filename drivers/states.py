"""A device's state and what is wrong, in words, from what the native floor counted."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from drivers.quality import (
    BAD,
    BAD_BUSY,
    BAD_DAMAGED,
    BAD_DEVICE_FAILURE,
    BAD_GATEWAY,
    BAD_NO_ANSWER,
    BAD_NO_VALUE,
    BAD_NOT_A_VALUE,
    BAD_NOT_ASKED,
    BAD_REFUSED,
    BAD_WRONG_ANSWER,
    UNCERTAIN_OUT_OF_RANGE,
    UNCERTAIN_SOURCE_DOUBTS,
)
from native.wire.port import TLS_ERRORS

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
    errno.ENOTUNIQ: "link.port_twice",
}
NET_CAUSES = {
    errno.ECONNREFUSED: "link.refused",
    errno.ECONNRESET: "link.reset",
    errno.EPIPE: "link.reset",
    errno.EPROTO: "link.garbage",
    errno.ETIMEDOUT: "link.timeout",
    errno.EADDRNOTAVAIL: "link.unreachable",
    TLS_ERRORS["files"]: "link.tls_files",
    TLS_ERRORS["untrusted"]: "link.tls_untrusted",
    TLS_ERRORS["dates"]: "link.tls_dates",
    TLS_ERRORS["name"]: "link.tls_name",
    TLS_ERRORS["weak"]: "link.tls_weak",
    TLS_ERRORS["refused"]: "link.tls_refused",
    TLS_ERRORS["no_common"]: "link.tls_no_common",
    TLS_ERRORS["not"]: "link.tls_not",
    TLS_ERRORS["hung_up"]: "link.tls_hung_up",
    TLS_ERRORS["timeout"]: "link.tls_timeout",
    TLS_ERRORS["failed"]: "link.tls_failed",
}
_QUALITY_CAUSES = {
    BAD_NO_ANSWER: "device.no_answer",
    BAD_DAMAGED: "device.damaged",
    BAD_WRONG_ANSWER: "device.wrong_answer",
    BAD_REFUSED: "device.refused",
    BAD_DEVICE_FAILURE: "device.failure",
    BAD_BUSY: "device.busy",
    BAD_GATEWAY: "device.gateway",
    BAD_NOT_ASKED: "device.not_heard",
}
#: What tags of a device that does answer may have in common. Silence may be that of a slow group
#: whose turn has not come since.
_TAG_CAUSES = {
    **{
        quality: message
        for quality, message in _QUALITY_CAUSES.items()
        if quality not in (BAD_NO_ANSWER, BAD_NOT_ASKED)
    },
    BAD_NOT_A_VALUE: "device.not_a_value",
}
#: Another byte order is suggested where this many times as many values speak for it as against it.
FITS_TIMES = 3


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
    stopped = own(UNCERTAIN_SOURCE_DOUBTS, code) if tags.get(UNCERTAIN_SOURCE_DOUBTS, 0) else None
    if bad := {each: count for each, count in tags.items() if each >= BAD and each != BAD_NO_VALUE}:
        if stopped:
            found["beside"] = stopped
        return "partly", _of_tags(own, bad, sum(tags.values()), quality, code) or {
            "id": "device.partly",
            "args": {"count": sum(bad.values()), "device": found["name"]},
        }
    if stopped:
        return "good", stopped
    if doubtful := tags.get(UNCERTAIN_OUT_OF_RANGE, 0):
        args = {"count": doubtful, "device": found["name"]}
        return "good", {"id": "device.out_of_range", "args": args}
    if none := tags.get(BAD_NO_VALUE, 0):
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
        causes[last or quality if quality == BAD_NOT_ASKED else quality] += count
    worst, count = causes.most_common(1)[0]
    cause = (
        _cause(own, worst, code) if worst in _TAG_CAUSES and 2 * count > causes.total() else None
    )
    if cause and count < tags:
        cause["args"] |= {"bad": count, "tags": tags}
    return cause
