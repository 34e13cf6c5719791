"""What the platform needs to read blocks: devices, tags, types, scales. Built once a plan."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.api import DeviceSpec, TagSpec


def catalog(
    epoch: int, revision: int, site: str, groups: Iterable[tuple[int, DeviceSpec, Any]]
) -> pb.Catalog:
    """`groups`: (group id, its device, its plan) in the order of their numbers."""
    made = pb.Catalog(epoch=epoch, revision=revision, site=site)
    for number, device, plan in groups:
        made.groups.add(
            id=number,
            device=device.name,
            driver=device.driver,
            period_ns=plan.period_ns,
            tags=[_tag(tag) for tag in plan.tags],
        )
    return made


def _number(value: Decimal, default: int) -> str:
    """Plain decimal text, never 1E+2; empty when it is what empty means."""
    return "" if value == default else format(value, "f")


def _tag(tag: TagSpec) -> pb.Tag:
    deadband = ""
    if tag.deadband is not None:
        deadband = format(tag.deadband, "f") + (" %" if tag.deadband_percent else "")
    return pb.Tag(
        name=tag.name,
        type=pb.ValueType.Value(f"VALUE_TYPE_{tag.type.upper()}"),
        scale=_number(tag.scale, 1),
        offset=_number(tag.offset, 0),
        unit=tag.unit,
        labels=dict(tag.labels),
        address=tag.address,
        report=pb.REPORT_MODE_CHANGE if tag.report == "change" else pb.REPORT_MODE_ALL,
        resolution="" if tag.resolution is None else format(tag.resolution, "f"),
        deadband=deadband,
        at_least_ns=tag.at_least_ns,
        text_encoding=tag.encoding if tag.type == "string" else "",
    )
