"""What a CPU's refusal means, in words: the id of a message, by the place of the code."""

from __future__ import annotations

#: Codes of a whole read have a class above them; those of one item are a byte.
CLASSES = 0x100
#: Error class and code of a whole read.
_READ = {
    0x8104: "s7.put_get",
    0x8500: "s7.too_long",
    0xD241: "s7.protected",
    0xD402: "s7.protected",
}
#: Return codes of one item (native/s7/codec).
_ITEM = {
    0x01: "s7.hardware",
    0x03: "s7.protected",
    0x05: "s7.optimised",
    0x06: "s7.item_type",
    0x07: "s7.item_type",
    0x0A: "s7.no_block",
    0xFC: "s7.no_state",
    # Of native/s7/asking, while the driver learns from it.
    0xFD: "s7.learning",
    0xFE: "s7.too_long",
    0xFF: "s7.too_long",
}
#: Causes of an item's return code, where it is known which data block it is about.
_BLOCK = {0x05: "s7.optimised_block", 0x0A: "s7.no_block_named"}


def of_read(code: int) -> str:
    """Why a read was refused as a whole."""
    return _READ.get(code, "s7.refused")


def of_block(code: int) -> str:
    """Why everything was refused that was asked of one data block; "": the cause of an item says
    it.
    """
    return _BLOCK.get(code, "")


def of_item(code: int) -> str:
    """Why one item of an answered read has no value."""
    return _ITEM.get(code, "s7.refused")
