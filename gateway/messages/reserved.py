"""Texts about names of the configuration that later versions will have."""

from drivers.words import Message

TABLE = {
    "config.reserved": Message(
        "“{key}”留给{purpose}，这个版本还没有",
        "{key} is reserved for {purpose}; this version does not have it yet",
        "先删掉这一项",
        "Take it out for now",
    ),
    "config.reserved_value": Message(
        "“{value}”留给{purpose}，这个版本还没有",
        "{value} is reserved for {purpose}; this version does not have it yet",
        "先删掉，或换一个现有的",
        "Take it out for now, or choose one that there is",
    ),
    "config.for_was": Message("改名或移动过的设备", "devices that were renamed or moved"),
    "config.for_bits": Message("报警字各位的名称", "names of the bits of an alarm word"),
}
