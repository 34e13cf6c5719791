"""Texts of what is wrong with a meter: in its configuration, and in what it answers. `text` is an
address.
"""

from drivers.words import Message

_ADDRESS_ZH = "写标准里的数据标识，例如 02010100（A 相电压）；数据块里的一项写 0201FF00.2"
_ADDRESS_EN = (
    "Write a data identifier as printed in the standard, such as 02010100 (voltage of phase A); an "
    "item of a block is written 0201FF00.2"
)

WORDS = {
    "dlt645.no_data": Message(
        "这块表没有所问的数据",
        "the meter has no such data",
        "去掉这些标签，或核对数据标识；过些时候会再问一次",
        "Leave out those tags, or look at their identifiers; they are tried again later",
    ),
    "dlt645.answer_length": Message(
        "应答的数据长度和标准不同",
        "its answers are of another length than the standard's",
        "核对数据标识，以及这块表是不是 1997 版",
        "Look at the identifiers, and whether the meter is of the edition of 1997",
    ),
    "dlt645.error": Message(
        "表报告错误 {code}",
        "the meter reports the error {code}",
        "这是标准里的错误字（十六进制）；查表的说明书",
        "It is the standard's error word, hexadecimal; see the meter's manual",
    ),
    "dlt645.collision": Message(
        "应答每次都损坏；没写表号，线上不止一块表时会同时应答",
        "its answers arrive damaged; it has no address, so where there are more meters on its line "
        "all of them answer at once",
        '每块表一个设备，照铭牌写 meter，例如 [devices.{device}] 下面写 meter = "012345678901"；'
        "确实只有一块时，核对波特率和校验（多为 2400、even），再查接线",
        "Give each meter a device of its own with meter as on its plate, such as "
        'meter = "012345678901" below [devices.{device}]; where it is alone, compare baud and '
        "parity (mostly 2400, even), then the wiring",
    ),
    "dlt645.learned_block": Message(
        "整块的 {block} 不给，逐项读",
        "it does not give the block {block}: its items are read one by one",
    ),
    "dlt645.address_syntax": Message(
        "数据标识 {text} 看不懂",
        "the data identifier {text} makes no sense",
        _ADDRESS_ZH + "；这里例如：{example}",
        _ADDRESS_EN + "; here such as: {example}",
    ),
    "dlt645.address_block": Message(
        "{text} 是一整块数据，要写明哪一项",
        "{text} is a block of data: say which item of it",
        "例如 {example}：点后面的数放在 FF 的位置",
        "For example {example}: the number behind the dot stands in the place of FF",
    ),
    "dlt645.address_item": Message(
        "{text} 没有这一项",
        "there is no such item: {text}",
        "从 {first} 到 {last}",
        "From {first} to {last}",
    ),
    "dlt645.address_no_block": Message(
        "{text}：{identifier} 不是数据块，没有分项",
        "{text}: {identifier} is no block, it has no items",
        "去掉点和后面的数",
        "Leave out the dot and what follows",
    ),
    "dlt645.address_time": Message(
        "{text}：只有最大需量有发生时间",
        "{text}: only a maximum demand has a time when it occurred",
        "例如 01010000.time",
        "Such as 01010000.time",
    ),
    "dlt645.unknown": Message(
        "标准里没有数据标识 {text}",
        "the standard has no data identifier {text}",
        _ADDRESS_ZH,
        _ADDRESS_EN,
    ),
    "dlt645.type": Message(
        "{text} 的类型不是 {type}",
        "{text} is not of type {type}",
        '删去 type（按标准），或写 type = "{meant}"',
        'Leave out type (the standard has it), or write type = "{meant}"',
    ),
    "dlt645.length": Message(
        "{text} 不是 {length} 个字节",
        "{text} has not {length} bytes",
        "删去 length（按标准），或写 length = {meant}",
        "Leave out length (the standard has it), or write length = {meant}",
    ),
    "dlt645.scale": Message(
        "{text} 的 scale 是 {scale}，标准里的小数点是 {meant}",
        "{text} has the scale {scale}; by its decimal point in the standard it is {meant}",
        "删去 scale（按标准）；表确实不同就不用改",
        "Leave out scale (the standard has it); where the meter does differ, leave it",
    ),
    "dlt645.meter": Message(
        "表地址 {meter} 不是 12 位数字",
        "the meter's address {meter} is not twelve digits",
        '照铭牌写，加引号，例如 meter = "012345678901"',
        'Write what is on its plate, in quotes, such as meter = "012345678901"',
    ),
    "dlt645.meter_short": Message(
        "表地址 {meter} 只有 {digits} 位，要 12 位",
        "the meter's address {meter} has {digits} digits, not twelve",
        '前面补 0：meter = "{meant}"',
        'With zeros in front: meter = "{meant}"',
    ),
    "dlt645.meter_any": Message(
        "表地址 {meter} 里的 A 代表任意数字，这里不能用",
        "the A in the meter's address {meter} stands for any digit, and can't be used here",
        "写铭牌上的 12 位；总线上只有一块表时不写 meter",
        "Write the twelve digits on its plate; for the only meter on a line, leave out meter",
    ),
    "dlt645.meter_alone": Message(
        "链路“{link}”上还有表“{other}”：没有地址，两块表会同时应答",
        "there is another meter, {other}, on the link {link}: without an address both would answer "
        "at once",
        "照铭牌写 meter",
        "Write meter, as on its plate",
    ),
    "dlt645.meter_twice": Message(
        "表“{other}”已经用了地址 {meter}",
        "the meter {other} has the address {meter} already",
        "核对两块表的铭牌；同一块表的标签写在一起",
        "Look at both plates; the tags of one meter go together",
    ),
    "dlt645.confused_unit": Message(
        "站号 {unit} 的报文开头和表“{meter}”的一样，同一条总线上容易混淆",
        "requests to unit {unit} begin like those to the meter {meter} on the same line",
        "能改站号就改；不改也读，只是换协议时多等一会儿",
        "Give it another unit if you can; it is read all the same, with longer waits between the "
        "two",
    ),
    "dlt645.phases": Message(
        "电表没有 {phases} 相的",
        "no meter has {phases} phases",
        "phases = 1（单相）或 3（三相，三相三线也写 3）",
        "phases = 1, or 3 (three wires, too)",
    ),
    "dlt645.link": Message(
        "链路“{link}”上不能读电表",
        "meters can't be read on the link {link}",
        "用 serial、tcp（串口服务器）或 listen（DTU），不加 tls",
        "Use serial, tcp (a serial server) or listen (a DTU), without tls",
    ),
    "dlt645.listen_only": Message(
        "链路“{link}”只听不问，电表要问才答",
        "the link {link} only listens; a meter says nothing unasked",
        "删去 listen_only，或把表接到别的链路",
        "Leave out listen_only, or put the meter on another link",
    ),
}
