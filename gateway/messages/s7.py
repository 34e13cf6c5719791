"""Texts of what is wrong with an S7 device: in its configuration, and in what the CPU answers."""

from gateway.messages.message import Message

_ADDRESS_ZH = (
    "像 STEP 7 里那样写：DB12.DBD4、DB12.DBX0.3、MW20、IB0、I0.3、Q1.2（E、A 也行）、T5、C2"
)
_ADDRESS_EN = (
    "Write it as STEP 7 does: DB12.DBD4, DB12.DBX0.3, MW20, IB0, I0.3, Q1.2 (E and A as well), T5, "
    "C2"
)

TABLE = {
    "s7.address_syntax": Message(
        "地址 {text} 看不懂",
        "the address {text} makes no sense",
        _ADDRESS_ZH + "，例如：{example}",
        _ADDRESS_EN + ", such as: {example}",
    ),
    "s7.address_range": Message(
        "地址 {text} 里没有 {number}",
        "there is no {number} in {text}",
        "最大 {last}，数据块从 1 开始",
        "The last is {last}; data blocks begin at 1",
    ),
    "s7.address_bit": Message(
        "地址 {text} 的位不对",
        "the bit in {text} is not right",
        "位写成 DB12.DBX0.3 或 M20.3（.0 到 .7）；字节、字、双字（B、W、D）后面不写位",
        "A bit is DB12.DBX0.3 or M20.3 (.0 to .7); a byte, word or double word (B, W, D) has none",
    ),
    "s7.link": Message(
        "S7 要 tcp 链路，“{link}”是 {type}",
        "S7 takes a tcp link; {link} is {type}",
        'type = "tcp"，address = "PLC 的地址:102"',
        'type = "tcp", address = "THE CPU\'S ADDRESS:102"',
    ),
    "s7.type": Message(
        "S7 没有 {type} 类型",
        "S7 has no type {type}",
        "REAL 是 float32，INT 是 int16，DINT 是 int32，WORD 是 uint16，S5TIME 是 s5time，"
        "DTL 是 dtl",
        "REAL is float32, INT int16, DINT int32, WORD uint16, S5TIME s5time, DTL dtl",
    ),
    "s7.only_type": Message(
        "{text} 的类型只能是 {only}，不能是 {type}",
        "{text} can only be {only}, not {type}",
        'type = "{only}"',
        'type = "{only}"',
    ),
    "s7.width": Message(
        "{type} 是 {bytes} 个字节，{text} 不是",
        "{type} has {bytes} bytes, which {text} has not",
        "地址写 {meant}，或者改类型",
        "Write {meant}, or another type",
    ),
    "s7.bool_bit": Message(
        "{text} 不是一个位，不能是 bool",
        "{text} is no bit, so it cannot be bool",
        "写明是哪一位，例如 {example}",
        "Say which bit, such as {example}",
    ),
    "s7.bit_type": Message(
        "{text} 是一个位，不能是 {type}",
        "{text} is one bit, which cannot be {type}",
        'type = "bool"，或把地址写成字节、字或双字',
        'type = "bool", or write a byte, word or double word',
    ),
    "s7.string_length": Message(
        "字符串长度 {length} 不能用",
        "a string cannot be {length} characters long",
        "length 是 STRING[n] 里的 n：1 到 {most}；没写 n 的是 254",
        "length is the n of STRING[n], 1 to {most}; where STEP 7 says STRING alone it is 254",
    ),
    "s7.string_long": Message(
        "在一次只给 240 字节的 CPU（S7-300、S7-1200）上，这个字符串只读得到前 {most} 个字符；"
        "当前内容更长时算读不到",
        "of CPUs that give 240 bytes at once (S7-300, S7-1200), the first {most} characters are "
        "read; while the text is longer, it is bad",
        "文字不会这么长就不用改",
        "If the text never gets that long, leave it",
    ),
    "s7.length_unused": Message(
        "{type} 类型没有 length", "a {type} has no length", "删掉 length", "Take length out"
    ),
    "s7.past_end": Message(
        "{text}（{type}）超出了最后一个字节 {last}",
        "{text} ({type}) goes past the last byte, {last}",
        "核对地址和类型",
        "Check the address and the type",
    ),
}
