"""The keys that only Modbus devices have."""

from drivers.keys import Key
from drivers.modbus.limits import MAX_BITS, MAX_REGISTERS

KEYS = (
    Key(
        "max_registers", "int", str(MAX_REGISTERS), "一次最多读几个寄存器",
        "the most registers a request asks for", low=1, high=MAX_REGISTERS, in_profiles=True,
    ),
    Key(
        "max_bits", "int", str(MAX_BITS), "一次最多读几个位", "the most bits a request asks for",
        low=1, high=MAX_BITS, in_profiles=True,
    ),
    Key(
        "holes", "texts", '["holding:100-199"]', "绝不读的地址", "addresses that are never read",
        in_profiles=True,
    ),
)  # fmt: skip
