"""Texts of what is wrong in the configuration of a device. `text` is the address as written."""

from drivers.words import Message

_ADDRESS_ZH = (
    "写 holding:N、input:N、coil:N、discrete:N（从 0 数），或 40001 这样的手册编号（从 1 数；"
    "手册里的 4x0001 写 40001）"
)
_ADDRESS_EN = (
    "Write holding:N, input:N, coil:N or discrete:N (from 0), or a number as in manuals such as "
    "40001 (from 1; what a manual calls 4x0001 is 40001)"
)

WORDS = {
    "modbus.address_syntax": Message(
        "地址 {text} 看不懂",
        "the address {text} makes no sense",
        _ADDRESS_ZH + "，例如：{example}",
        _ADDRESS_EN + ", such as: {example}",
    ),
    "modbus.address_space": Message(
        "地址 {text} 里的 {space} 不认识",
        "{space} in the address {text} is unknown",
        _ADDRESS_ZH + "，例如：{example}",
        _ADDRESS_EN + ", such as: {example}",
    ),
    "modbus.address_from_one": Message(
        "{text} 不存在：手册编号从 1 开始",
        "there is no {text}: numbers as in manuals start at 1",
        "第一个是 {first}；从 0 数的写 holding:0",
        "The first is {first}; what counts from 0 is written holding:0",
    ),
    "modbus.address_range": Message(
        "地址 {text} 太大",
        "the address {text} is too big",
        "最大 {last}；核对手册是不是十六进制（写 0x...）",
        "The last is {last}; is the manual's number hexadecimal (write 0x...)?",
    ),
    "modbus.address_manual": Message(
        "地址 {text} 太大：这是手册里从 1 数的编号",
        "the address {text} is too big: it is a number as in manuals, from 1",
        "写成 {meant}",
        "Write {meant}",
    ),
    "modbus.two_readings": Message(
        "地址 {text} 有两种读法：现在当作报文里的地址（从 0 数）；当作手册里的编号（从 1 数）则是 "
        "{meant}",
        "the address {text} may mean two things: it is taken for the address on the wire, from 0; "
        "as a number in a manual, from 1, it would be {meant}",
        "是手册编号就写 {meant}；确实是报文里的地址就写 {wire}，以后不再提醒",
        "If it is a manual's number, write {meant}; if it is the address on the wire, write "
        "{wire}, and this is not said again",
    ),
    "modbus.overlap": Message(
        "{text}（{type}）和标签“{other}”的 {other_text}（{other_type}）读同一处",
        "{text} ({type}) lies on what the tag {other} reads, {other_text} ({other_type})",
        "核对两个地址和类型；有意这样写就不用改",
        "Check both addresses and types; if it is meant, leave it",
    ),
    "modbus.data_bits": Message(
        "链路“{link}”的数据位是 7，RTU 要 8 位",
        "link {link} has 7 data bits, but RTU takes 8",
        '链路写 data_bits = 8；设备真的是 ASCII 就给设备写 framing = "ascii"',
        'Write data_bits = 8 on the link; if the device speaks ASCII, framing = "ascii" on it',
    ),
    "modbus.address_bit": Message(
        "地址 {text} 的位 {bit} 不存在",
        "there is no bit {bit} in {text}",
        "一个寄存器的位是 0（最低）到 15",
        "The bits of a register are 0 (lowest) to 15",
    ),
    "modbus.bit_of_bit": Message(
        "地址 {text}：{space} 本身就是一个位，不能再取位",
        "the address {text}: a {space} is one bit, it has none in it",
        "删掉点和后面的数字",
        "Take the dot and what follows out",
    ),
    "modbus.range_backwards": Message(
        "范围 {text} 的终点在起点之前",
        "the range {text} ends before it starts",
        "写成 holding:100-199",
        "Write it as holding:100-199",
    ),
    "modbus.coil_type": Message(
        "{space} 只能是 bool 类型，不能是 {type}",
        "a {space} can only be bool, not {type}",
        'type = "bool"；要读寄存器就改地址',
        'type = "bool"; if a register is meant, change the address',
    ),
    "modbus.bit_type": Message(
        "地址 {text} 指一个位，类型不能是 {type}",
        "{text} is one bit, which cannot be {type}",
        'type = "bool"，或去掉地址里的点和位号',
        'type = "bool", or take the dot and the bit out of the address',
    ),
    "modbus.bool_bit": Message(
        "地址 {text} 是整个寄存器，不能是 bool",
        "{text} is a whole register, which cannot be bool",
        "指明哪一位，例如：{text}.0",
        "Say which bit, such as: {text}.0",
    ),
    "modbus.string_length": Message(
        "字符串长度 {length} 不能用",
        "a string cannot be {length} bytes long",
        "length 是字节数，一个寄存器两个，至少 1",
        "length is in bytes, two a register, at least 1",
    ),
    "modbus.type": Message(
        "Modbus 没有 {type} 类型",
        "Modbus has no type {type}",
        "日期和时间按厂家的格式分成几个寄存器：每个写成一个标签",
        "A date lies in registers of the maker's own order: make a tag of each of them",
    ),
    "modbus.wstring": Message(
        "Modbus 没有 {type} 类型",
        "Modbus has no type {type}",
        'type = "string"，length 是字节数；中文再写 encoding = "gb18030" 或 "utf-8"',
        'type = "string", with its length in bytes; Chinese wants encoding = "gb18030" or "utf-8"',
    ),
    "modbus.bcd_length": Message(
        "BCD 数不能是 {length} 个字节",
        "a BCD number cannot have {length} bytes",
        "length 是字节数，一个寄存器两个：2、4、6 或 8",
        "length is in bytes, two a register: 2, 4, 6 or 8",
    ),
    "modbus.bcd_order": Message(
        "6 个字节的 BCD 数不能用 order = {order}",
        "a BCD number of 6 bytes cannot have the order {order}",
        '只能是 order = "ABCD"；不是的话分成三个 bcd16 标签',
        'Only order = "ABCD"; where that is not so, make three tags of bcd16',
    ),
    "modbus.length_unused": Message(
        "{type} 类型没有 length", "a {type} has no length", "删掉 length", "Take length out"
    ),
    "modbus.past_end": Message(
        "从 {text} 起的 {registers} 个寄存器超出了最后一个地址 {last}",
        "{registers} registers from {text} go past the last address, {last}",
        "核对地址和类型",
        "Check the address and the type",
    ),
    "modbus.too_long": Message(
        "需要 {registers} 个寄存器，这台设备一次只能读 {most} 个",
        "it takes {registers} registers, of which this device gives {most} at once",
        "缩短 length 或换类型；设备允许时加大 max_registers",
        "Make length or the type shorter; raise max_registers if the device allows it",
    ),
    "modbus.in_hole": Message(
        "地址 {text} 在 holes 声明的 {hole} 之内",
        "the address {text} lies in {hole}, which holes says is never read",
        "改地址，或缩小 holes",
        "Change the address, or make the hole smaller",
    ),
    "modbus.unit": Message(
        "没有站号 {unit}",
        "there is no unit {unit}",
        "可用 0 到 {last}",
        "From 0 to {last}",
    ),
    "modbus.unit_reserved": Message(
        "串行总线上站号 0 是广播，248 到 255 保留；仍按 {unit} 读取",
        "on a serial bus unit 0 is broadcast and 248 to 255 are reserved; unit {unit} is read "
        "all the same",
        "读不到时，在设备上改成 1 到 247",
        "If it does not answer, set the device to one of 1 to 247",
    ),
    "modbus.listen_only_framing": Message(
        "只听（listen_only）的总线只支持 RTU，不支持 {framing}",
        "on a bus that is only listened to, RTU is understood, not {framing}",
        "删掉 framing；总线真的是 ASCII 时不能用 listen_only",
        "Take framing out; a bus that really speaks ASCII can't be listened to",
    ),
    "modbus.framing": Message(
        "{link} 链路上不能用帧格式 {framing}",
        "framing {framing} cannot be on a {link} link",
        "可选：{framings}",
        "Choose from: {framings}",
    ),
    "modbus.tls_framing": Message(
        "加密链路（tls）上不能用帧格式 {framing}",
        "framing {framing} cannot be on an encrypted link (tls)",
        'Modbus Security 只用 framing = "tcp"：删掉 framing，或去掉链路的 tls',
        'Modbus Security is framing = "tcp" only: take framing out, or tls from the link',
    ),
    "modbus.limit": Message(
        "{key} = {value} 超出协议的限制",
        "{key} = {value} is over the protocol's limit",
        "1 到 {most}",
        "From 1 to {most}",
    ),
}
