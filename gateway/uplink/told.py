"""What the platform says, for people: blocks that it does not take, and its notices."""

from __future__ import annotations

from collections.abc import Iterator

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.report.snapshot import Said
from gateway.uplink.history import History, brief

#: What the platform says to people is shown for so long.
NOTICE_NS = 3600 * 10**9
NOTICES: dict[int, str] = {
    pb.NOTICE_KIND_CLONE_REFUSED: "uplink.notice_clone",
    pb.NOTICE_KIND_TAKEN_OVER: "uplink.notice_taken_over",
    pb.NOTICE_KIND_PLATFORM_LOST: "uplink.notice_lost",
    pb.NOTICE_KIND_CERTIFICATE_EXPIRES: "uplink.notice_certificate",
}
KNOWN = frozenset(pb.RejectReason.values())


def refusals(history: History, *, refuses_all: bool) -> Iterator[Said]:
    """Blocks that wait because this platform does not take them."""
    reject = history.last_reject
    if reject is None or not history.refused:
        return
    name = pb.RejectReason.Name(reject.reason) if reject.reason in KNOWN else "UNSUPPORTED"
    reason = name.removeprefix("REJECT_REASON_").lower()
    yield Said(
        id="uplink.refuses_all" if refuses_all else "uplink.refused_blocks",
        args={"reason": reason, "platform": history.platform, "detail": brief(reject.detail)},
    )


def notices(history: History, now_ns: int) -> Iterator[Said]:
    """What the platform said to people of late."""
    for kind, (notice, heard_ns) in sorted(history.notices.items()):
        if now_ns - heard_ns < NOTICE_NS:
            args = {"address": notice.address or "?", "detail": notice.detail}
            yield Said(id=NOTICES.get(kind, "uplink.notice"), args=args)
