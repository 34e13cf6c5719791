"""The keys that only meters have."""

from drivers.keys import Key

KEYS = (
    Key(
        "meter", "text", '"012345678901"', "铭牌上的 12 位表号；线上只有一块表时可以不写",
        "the twelve digits on its plate; may be left out for the only meter on a line",
    ),
    Key("preamble", "int", "4", "请求前面发几个 FE", "FE in front of a request", low=0, high=4),
)  # fmt: skip
