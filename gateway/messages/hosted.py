"""Texts about drivers in a process of their own, and about what they read."""

from drivers.words import Message

TABLE = {
    "host.ended": Message(
        "驱动 {driver} 的进程中断，正在重新启动（{why}）",
        "the process of driver {driver} broke off and is being started again ({why})",
        "会自动恢复，期间的数据记为缺口。经常出现时看原因：journalctl -u jiahe",
        "It comes back by itself, and the data meanwhile is a gap. If it happens often, see why: "
        "journalctl -u jiahe",
    ),
    "host.driver_failed": Message(
        "链路 {link} 的驱动程序出错：{error}",
        "the driver of link {link} failed: {error}",
        "会自动重连。请把 journalctl -u jiahe 里的这段记录发给开发者",
        "It connects again by itself. Please send what journalctl -u jiahe says of it to its "
        "developers",
    ),
    "host.no_value": Message(
        "机床现在没有这些值（UNAVAILABLE）",
        "the machine has no such values now (UNAVAILABLE)",
        "机床关机，或采集程序（adapter）没有连上它：先看机床电源和 adapter",
        "It is switched off, or its adapter has lost it: look at the machine's power, then at the "
        "adapter",
    ),
    "host.not_its_type": Message(
        "读到的值不是标签的类型",
        "what was read is not of the tag's type",
        '核对 type：文字用 "string"，带小数的用 "float64"',
        'Check type: "string" for words, "float64" for numbers with decimals',
    ),
    "host.no_such_item": Message(
        "设备没有这些数据项",
        "the device has no such data items",
        "核对标签的 address",
        "Check the tags' addresses",
    ),
}
