"""The keys that only S7 devices have."""

from drivers.keys import Key

KEYS = (
    Key("rack", "int", "0", "S7 的机架", "rack of an S7 CPU", low=0, high=7),
    Key("slot", "int", "1", "S7 的槽", "slot of an S7 CPU", low=0, high=31),
    Key(
        "tsap", "text", '"02.00"', "S7 的 TSAP，代替机架和槽",
        "TSAP of an S7 CPU, in place of rack and slot",
    ),
    Key(
        "local_tsap", "text", '"10.00"', "我们自己的 TSAP，CPU 有要求时写",
        "our TSAP, where the CPU wants a certain one",
    ),
)  # fmt: skip
