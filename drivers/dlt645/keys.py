"""The keys that only meters have."""

from drivers.keys import Key

KEYS = (
    Key(
        "meter", "text", '"012345678901"', "铭牌上的 12 位表号；线上只有一块表时可以不写",
        "the twelve digits on its plate; may be left out for the only meter on a line",
    ),
    Key("preamble", "int", "4", "请求前面发几个 FE", "FE in front of a request", low=0, high=4),
    Key(
        "phases", "int", "1", "电表的相数，1 或 3；1：B、C 相的标签没有值",
        "phases of the meter, 1 or 3; 1: tags of B and C have no value", in_profiles=True,
    ),
)  # fmt: skip
