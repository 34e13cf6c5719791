"""Everything wrong with a Modbus device that its configuration alone shows."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.api import TYPE_BYTES, DeviceSpec, Problem, TagSpec
from drivers.modbus.address import LAST_ADDRESS, AddressError, Range, manual, parse_range
from drivers.modbus.limits import MAX_BITS, MAX_REGISTERS, declared_of
from drivers.modbus.overlap import overlaps
from drivers.modbus.planner import TagLocation, locate

#: Any byte; over TCP 0 and 255 are the device itself (Messaging on TCP/IP V1.0b 4.4.2.1). On a
#: serial bus those outside are broadcast or reserved (Modbus over Serial Line V1.02 section 2.2),
#: and some devices have them all the same.
_UNIT_MAX = 255
_SERIAL_UNITS = range(1, 248)
#: Whole registers of digits.
_BCD_LENGTHS = (2, 4, 6, 8)
_FRAMINGS = {
    "serial": ("rtu", "ascii"),
    "tcp": ("tcp", "rtu", "ascii"),
    "udp": ("tcp", "rtu"),
    "listen": ("rtu", "ascii", "tcp"),
}


def check(device: DeviceSpec) -> list[Problem]:
    """Every problem at once, in the order of the configuration; without an error planning will
    succeed.
    """
    problems = list(_device(device))
    placed: list[tuple[TagSpec, TagLocation]] = []
    holes: list[Range] = []
    for text in declared_of(device).holes:
        try:
            holes.append(parse_range(text))
        except AddressError as error:
            problems.append(Problem(("holes",), error.message, error.arguments))
    for tag in device.tags:
        key = ("tags", tag.name)
        try:
            at = locate(tag)
        except AddressError as error:
            problems.append(Problem((*key, "address"), error.message, error.arguments))
            continue
        placed.append((tag, at))
        if meant := manual(tag.address):
            args = {"text": tag.address, "meant": str(meant), "wire": at.address.wire_text}
            problems.append(
                Problem((*key, "address"), "modbus.two_readings", args, severity="warning")
            )
        problems += (
            Problem((*key, field), message, args)
            for rule in (_type, _length, _extent)
            for field, message, args in rule(tag, at, device)
        )
        problems += (
            Problem((*key, "address"), "modbus.in_hole", {"text": tag.address, "hole": str(hole)})
            for hole in holes
            if hole.meets(at.range)
        )
    return [*problems, *overlaps(placed)]


_Found = Iterator[tuple[str, str, dict[str, object]]]  # key below the tag, message, its arguments


def _device(device: DeviceSpec) -> Iterator[Problem]:
    args: dict[str, object] = {"unit": device.unit}
    if not 0 <= device.unit <= _UNIT_MAX:
        yield Problem(("unit",), "modbus.unit", {**args, "last": _UNIT_MAX})
    elif device.link.type == "serial" and device.unit not in _SERIAL_UNITS:
        yield Problem(("unit",), "modbus.unit_reserved", args, severity="warning")
    framings = _FRAMINGS[device.link.type]
    if device.framing not in framings:
        args = {
            "framing": device.framing,
            "link": device.link.type,
            "framings": ", ".join(f'"{each}"' for each in framings),
        }
        yield Problem(("framing",), "modbus.framing", args)
    elif device.link.listen_only and device.framing != "rtu":
        yield Problem(("framing",), "modbus.listen_only_framing", {"framing": device.framing})
    elif device.link.tls and device.framing != "tcp":
        yield Problem(("framing",), "modbus.tls_framing", {"framing": device.framing})
    if device.framing == "rtu" and device.link.type == "serial" and device.link.data_bits != 8:
        args = {"link": device.link.name}
        yield Problem(("link",), "modbus.data_bits", args, severity="warning")
    said = declared_of(device)
    for key, value, most in (
        ("max_registers", said.max_registers, MAX_REGISTERS),
        ("max_bits", said.max_bits, MAX_BITS),
    ):
        if not 1 <= value <= most:
            yield Problem((key,), "modbus.limit", {"key": key, "value": value, "most": most})


def _type(tag: TagSpec, at: TagLocation, device: DeviceSpec) -> _Found:
    address = at.address
    if tag.type not in TYPE_BYTES:
        said = "modbus.wstring" if tag.type == "wstring" else "modbus.type"
        yield "type", said, {"type": tag.type}
    elif not address.is_register and tag.type != "bool":
        yield "type", "modbus.coil_type", {"space": address.space, "type": tag.type}
    elif address.bit is not None and tag.type != "bool":
        yield "type", "modbus.bit_type", {"text": tag.address, "type": tag.type}
    elif address.is_register and address.bit is None and tag.type == "bool":
        yield "address", "modbus.bool_bit", {"text": tag.address}


def _length(tag: TagSpec, at: TagLocation, device: DeviceSpec) -> _Found:
    if tag.type == "string" and tag.length < 1:
        yield "length", "modbus.string_length", {"length": tag.length}
    elif tag.type == "bcd" and tag.length not in _BCD_LENGTHS:
        yield "length", "modbus.bcd_length", {"length": tag.length}
    elif tag.type == "bcd" and tag.length == 6 and tag.order != "ABCD":
        yield "order", "modbus.bcd_order", {"order": tag.order}
    elif TYPE_BYTES.get(tag.type) and tag.length:
        yield "length", "modbus.length_unused", {"type": tag.type}


def _extent(tag: TagSpec, at: TagLocation, device: DeviceSpec) -> _Found:
    registers = at.range.last - at.range.first + 1
    if at.range.last > LAST_ADDRESS:
        args = {"text": tag.address, "registers": registers, "last": LAST_ADDRESS}
        yield "address", "modbus.past_end", args
    elif at.address.is_register and registers > (most := declared_of(device).max_registers):
        args = {"registers": registers, "most": most}
        yield "length" if tag.length else "type", "modbus.too_long", args
