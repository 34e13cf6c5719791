"""Texts of what is wrong with an S7 device: in its configuration, and in what the CPU answers."""

from drivers.words import Message

_ADDRESS_ZH = (
    "像 STEP 7 里那样写：DB12.DBD4、DB12.DBX0.3、MW20、IB0、I0.3、Q1.2（E、A 也行）、T5、C2"
)
_ADDRESS_EN = (
    "Write it as STEP 7 does: DB12.DBD4, DB12.DBX0.3, MW20, IB0, I0.3, Q1.2 (E and A as well), T5, "
    "C2"
)

WORDS = {
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
        "REAL 是 float32，INT 是 int16，DINT 是 int32，WORD 是 uint16，BYTE 是 uint8，"
        "S5TIME 是 s5time，DATE_AND_TIME 是 date_time，DTL 是 dtl，LDT 是 ldt",
        "REAL is float32, INT int16, DINT int32, WORD uint16, BYTE uint8, S5TIME s5time, "
        "DATE_AND_TIME date_time, DTL dtl, LDT ldt",
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
    "s7.wstring_length": Message(
        "WSTRING 的长度 {length} 不能用",
        "a WSTRING cannot be {length} characters long here",
        "length 是 WSTRING[n] 里的 n：1 到 {most}；更长的只要内容不超过 {most} 个字符也读得到",
        "length is the n of WSTRING[n], 1 to {most}; a longer one is read as long as its text has "
        "no more than {most} characters",
    ),
    "s7.bcd_length": Message(
        "BCD 数不能是 {length} 个字节",
        "a BCD number cannot have {length} bytes",
        "length 是字节数：1 到 {most}",
        "length is in bytes, 1 to {most}",
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
    "s7.tsap": Message(
        "{key} = {text} 不是 TSAP",
        "{key} = {text} is no TSAP",
        '写两个十六进制字节，和 TIA 里一样，例如 {key} = "02.00"',
        'Two hexadecimal bytes, as TIA shows them, such as {key} = "02.00"',
    ),
    "s7.learned_items": Message("一次最多读 {count} 段", "at most {count} stretches at once"),
    "s7.learned_pdu": Message(
        "PDU 按 {pdu} 字节用（更长的被拒绝）",
        "a PDU of {pdu} bytes is used: longer ones were refused",
    ),
    "s7.learned_hole": Message("CPU 不给 {where}", "the CPU does not give {where}"),
    "s7.learned_holes": Message(
        "CPU 不给 {block} 里的 {count} 处", "the CPU does not give {count} places of {block}"
    ),
    "s7.called": Message(
        '接通的是 TSAP {tsap}：写上 tsap = "{tsap}"，就不再先试别的',
        'the TSAP that answers is {tsap}: with tsap = "{tsap}" no other is tried before it',
    ),
    "s7.granted": Message(
        "CPU 答应 PDU {pdu} 字节、同时 {jobs} 个请求",
        "the CPU grants a PDU of {pdu} bytes and {jobs} requests at once",
    ),
    "s7.granted_before": Message(
        "CPU 上次答应 PDU {pdu} 字节", "the CPU granted a PDU of {pdu} bytes the last time"
    ),
    "s7.learning": Message(
        "有些地址 CPU 不给，正在找是哪些",
        "the CPU does not give some addresses; which, is being found out",
        "过几秒再看",
        "Look again in some seconds",
    ),
    "s7.not_connected": Message(
        "{target} 接受连接后马上断开：S7 连接没有建立",
        "{target} takes the connection and hangs up: no S7 connection comes about",
        "核对 rack 和 slot（或 tsap）；再看 CPU 的连接是不是用完了（上位机、编程软件各占一个）；"
        "再看中间有没有防火墙",
        "Check rack and slot (or tsap); then whether all connections of the CPU are taken (panels "
        "and engineering tools have one each); then whether a firewall is in between",
    ),
    "s7.garbage": Message(
        "{target} 发来的不是 S7 数据",
        "what {target} sends is not S7",
        "核对地址和端口号：S7 是 102",
        "Check the address and the port number: S7 has 102",
    ),
    "s7.no_state": Message(
        "CPU 不告诉它的状态",
        "the CPU does not tell its mode",
        "S7-1200 和有保护的 CPU 是这样：删掉地址是 cpu_state 的标签",
        "An S7-1200 and a protected CPU are like that: take the tag at cpu_state out",
    ),
    "s7.stopped": Message(
        "CPU 在停机（STOP）：数值不动，记为不确定",
        "the CPU is in STOP: its values stand still, and are uncertain",
        "查 CPU 为什么停机（诊断缓冲区），处理后切到 RUN",
        "Find out why it stopped (its diagnostic buffer), then switch it to RUN",
    ),
    "s7.put_get": Message(
        "CPU 不允许读取（81 04）",
        "the CPU does not permit reading (81 04)",
        "S7-1200/1500：CPU 属性里勾选“允许 PUT/GET 通信访问”，访问级别选“完全访问权限”；"
        "然后编译并下载硬件，只勾不下载不起作用",
        "S7-1200/1500: tick Permit access with PUT/GET in the CPU's properties and set the access "
        "level to Full access; then compile and download the hardware, too: a tick alone does "
        "nothing",
    ),
    "s7.optimised": Message(
        "CPU 里没有这个地址（05）",
        "the CPU has no such address (05)",
        "S7-1200/1500：在这个数据块的属性里取消“优化的块访问”，编译并下载；已取消的，核对数据块是不是够长",
        "S7-1200/1500: switch Optimized block access off in the block's attributes, compile and "
        "download; where it is off, is the block long enough?",
    ),
    "s7.optimised_block": Message(
        "CPU 不给 {block} 里的地址（05）",
        "the CPU does not give addresses of {block} (05)",
        "S7-1200/1500：在 {block} 的属性里取消“优化的块访问”，编译并下载；已取消的，"
        "核对 {block} 是不是够长",
        "S7-1200/1500: switch Optimized block access off in the attributes of {block}, compile and "
        "download; where it is off, is {block} long enough?",
    ),
    "s7.no_block_named": Message(
        "CPU 里没有 {block}（0A）",
        "the CPU has no {block} (0A)",
        "核对 DB 号；程序改过的，重新下载",
        "Check the number of the block; if the program was changed, download it",
    ),
    "s7.no_block": Message(
        "CPU 里没有这个数据块（0A）",
        "the CPU has no such data block (0A)",
        "核对 DB 号；程序改过的，重新下载",
        "Check the number of the block; if the program was changed, download it",
    ),
    "s7.protected": Message(
        "CPU 不让读这里：有读保护",
        "the CPU does not let it be read: it is protected",
        "在编程软件里把访问级别改成“完全访问权限”，或去掉密码",
        "Set the access level to Full access in the engineering tool, or take the password off",
    ),
    "s7.item_type": Message(
        "CPU 不认识这样的读取（06、07）",
        "the CPU does not know such a read (06, 07)",
        "定时器和计数器（T、C）只有 S7-300/400 有",
        "Only an S7-300 or 400 has timers and counters (T, C)",
    ),
    "s7.hardware": Message(
        "CPU 报告硬件故障（01）",
        "the CPU reports a fault of its hardware (01)",
        "看 CPU 的诊断缓冲区和 SF 灯",
        "Look at its diagnostic buffer and its SF lamp",
    ),
    "s7.too_long": Message(
        "请求比 CPU 能收的长（85 00）",
        "the request is longer than the CPU takes (85 00)",
        "会自动改短再读，不用管",
        "It is asked for less by itself",
    ),
    "s7.refused": Message(
        "CPU 拒绝读取",
        "the CPU refuses to be read",
        "看 CPU 的诊断缓冲区",
        "Look at its diagnostic buffer",
    ),
}
