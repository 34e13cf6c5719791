"""Everything wrong with a meter that its configuration alone shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drivers.api import DeviceSpec, Problem, TagSpec
from drivers.dlt645.identifiers import IdentifierError, Value
from drivers.dlt645.planner import known, row_type

#: Unit numbers of Modbus whose requests begin like a frame of a meter, or like what is in front.
CONFUSED_UNITS = (0x68, 0xFE)
_DIGITS = 12


def check(device: DeviceSpec) -> list[Problem]:
    """Every problem at once, in the order of the configuration; without an error planning will
    succeed.
    """
    return [*_device(device), *(each for tag in device.tags for each in _tag(tag))]


def check_line(devices: Sequence[DeviceSpec]) -> list[tuple[DeviceSpec, Problem]]:
    """What is wrong with all devices of one link together, and with which of them."""
    meters = [device for device in devices if device.driver == "dlt645"]
    named: dict[str, str] = {}
    found = []
    for device in meters:
        meter = str(dict(device.own).get("meter", ""))
        others = [each.name for each in meters if each is not device]
        if not meter and others:
            args: dict[str, object] = {"link": device.link.name, "other": others[0]}
            found.append((device, Problem(("meter",), "dlt645.meter_alone", args)))
        elif meter in named:
            args = {"meter": meter, "other": named[meter]}
            found.append((device, Problem(("meter",), "dlt645.meter_twice", args)))
        named.setdefault(meter, device.name)
    if meters:
        for device in devices:
            if device.driver == "modbus" and device.unit in CONFUSED_UNITS:
                args = {"unit": device.unit, "meter": meters[0].name}
                note = Problem(("unit",), "dlt645.confused_unit", args, severity="warning")
                found.append((device, note))
    return found


def _device(device: DeviceSpec) -> Iterator[Problem]:
    own = dict(device.own)
    meter = own.get("meter", "")
    if meter and not (len(meter) == _DIGITS and meter.isascii() and meter.isdecimal()):
        short = meter.isascii() and meter.isdecimal() and len(meter) < _DIGITS
        args: dict[str, object] = {"meter": meter, "digits": len(meter)}
        if short:
            yield Problem(("meter",), "dlt645.meter_short", {**args, "meant": meter.zfill(_DIGITS)})
        elif set(meter.upper()) <= set("0123456789A") and "A" in meter.upper():
            yield Problem(("meter",), "dlt645.meter_any", args)
        else:
            yield Problem(("meter",), "dlt645.meter", args)
    if (phases := own.get("phases", 3)) not in (1, 3):
        yield Problem(("phases",), "dlt645.phases", {"phases": phases})
    if device.link.type == "udp" or device.link.tls:
        yield Problem(("link",), "dlt645.link", {"link": device.link.name})
    if device.link.listen_only:
        yield Problem(("link",), "dlt645.listen_only", {"link": device.link.name})


def _tag(tag: TagSpec) -> Iterator[Problem]:
    key = ("tags", tag.name)
    try:
        value = known(tag.address)
    except IdentifierError as error:
        yield Problem((*key, "address"), error.message, error.arguments)
        return
    if tag.type != row_type(value):
        args: dict[str, object] = {
            "text": tag.address, "type": tag.type, "meant": row_type(value),
        }  # fmt: skip
        yield Problem((*key, "type"), "dlt645.type", args)
    elif value.type == "string" and tag.length != value.length:
        args = {"text": tag.address, "length": tag.length, "meant": value.length}
        yield Problem((*key, "length"), "dlt645.length", args)
    elif _shifts(tag, value):
        args = {"text": tag.address, "scale": tag.scale, "meant": value.scale}
        yield Problem((*key, "scale"), "dlt645.scale", args, severity="warning")


def _shifts(tag: TagSpec, value: Value) -> bool:
    """Whether a scale is a decimal point put elsewhere than in the standard."""
    return tag.scale == 1 and value.scale != 1
