"""What a CPU's refusal means, in words: the id of a message, by the place of the code.

The same number says different things of a whole request and of an item, and of a read and of the
CPU's state: 81 04 on a read is PUT/GET that is not permitted; on the state it is a model without
that service.
"""

from __future__ import annotations

#: Error class and code of a whole read.
_READ = {
    0x8104: "s7.put_get",
    0x8500: "s7.too_long",
    0x00FF: "s7.items_cut",
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
}


def of_read(code: int) -> str:
    """Of a read that was refused as a whole."""
    return _READ.get(code, "s7.refused")


def of_item(code: int) -> str:
    """Of one item of a read that was answered."""
    return _ITEM.get(code, "s7.refused")


def of_state(code: int) -> str:
    """Of the question for the CPU's state: never PUT/GET."""
    return "s7.state_not_said" if code in (0x8104, 0xD401, 0x8001) else "s7.refused"


#: A connection that ends before the CPU has answered the first word: wrong rack, slot or TSAP, no
#: free connection, or a firewall look alike.
HUNG_UP = "s7.hung_up"
