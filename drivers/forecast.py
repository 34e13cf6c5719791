"""What a link will carry and how fast its groups can really be read, before anything is switched
on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from drivers.api import DevicePlan, GroupPlan, LinkSpec


@dataclass(frozen=True, slots=True)
class GroupLoad:
    """What one group takes of its link."""

    device: str
    period_ns: int  # as configured
    scan_ns: int  # time on the wire of one scan
    share: float  # percent of the wire
    reachable_ns: int  # the period that it can really have; period_ns where all is well


@dataclass(frozen=True, slots=True)
class LinkLoad:
    """`share` above 100: the link cannot carry what is configured, and every period grows by as
    much.
    """

    link: str
    share: float  # percent of the wire
    cycle_ns: int  # one scan of every group, one after the other
    groups: tuple[GroupLoad, ...]


def _switched(plan: DevicePlan, group: GroupPlan, plans: Sequence[DevicePlan]) -> GroupPlan:
    """The group with the silence that its scan may have to wait for, beside its own, after a device
    whose baud is lower.
    """
    longest = max(other.spec.link.silence_ns for other in plans)
    return replace(group, scan_ns=group.scan_ns + longest - plan.spec.link.silence_ns)


def link_load(link: LinkSpec, plans: Sequence[DevicePlan]) -> LinkLoad:
    """The load of `plans` on `link`. Requests at once (`in_flight`) share the wire's time; a link
    that only listens puts none on it.
    """
    groups = [(plan, group) for plan in plans for group in plan.groups]
    if link.type == "serial":
        groups = [(plan, _switched(plan, group, plans)) for plan, group in groups]
    lanes = 1 if link.in_flight_learned else max(1, link.in_flight)
    if link.listen_only:
        silent = tuple(
            GroupLoad(plan.spec.name, group.period_ns, 0, 0.0, group.period_ns)
            for plan, group in groups
        )
        return LinkLoad(link.name, 0.0, 0, silent)
    share = sum(group.scan_ns / (lanes * group.period_ns) for _, group in groups)
    loads = tuple(
        GroupLoad(
            device=plan.spec.name,
            period_ns=group.period_ns,
            scan_ns=group.scan_ns,
            share=100 * group.scan_ns / (lanes * group.period_ns),
            reachable_ns=max(group.scan_ns, round(group.period_ns * max(1.0, share))),
        )
        for plan, group in groups
    )
    return LinkLoad(
        link=link.name,
        share=100 * share,
        cycle_ns=sum(group.scan_ns for _, group in groups) // lanes,
        groups=loads,
    )
