"""Texts about the box as a device."""

from drivers.words import Message

WORDS = {
    "box.hangs": Message(
        "读取网关自身的状态没有结果：磁盘或 D-Bus 没有应答",
        "reading the box's own state brings nothing: the disk or D-Bus does not answer",
        "运行 journalctl -k -n 50，看磁盘或存储卡有没有报错",
        "Type journalctl -k -n 50 and look for errors of the disk or the card",
    ),
    "box.absent": Message(
        "这台网关没有这一项",
        "this box has none",
    ),
}
