"""Texts about devices, and about what was learned of them."""

from drivers.words import Message

TABLE = {
    "device.no_answer": Message(
        "设备没有应答",
        "the device does not answer",
        "检查设备电源、接线和站号（unit；电能表是表号 meter）；同一链路上别的设备正常时，"
        "多半是这台停机或站号不对",
        "Check its power, wiring and unit number (of a DL/T 645 meter its address, meter); if its "
        "neighbours answer, it is off or its number is another",
    ),
    "device.about": Message("{device}：{said}", "{device}: {said}"),
    "device.of_tags": Message(
        "{tags} 个标签中 {bad} 个读不到：{said}", "{bad} of {tags} tags cannot be read: {said}"
    ),
    "device.several": Message(
        "链路 {link}：{total} 台中 {count} 台（{names}）：{said}",
        "link {link}: {count} of {total} devices ({names}): {said}",
    ),
    "device.several_silent": Message(
        "链路 {link}：{total} 台中 {count} 台没有应答：{names}",
        "link {link}: {count} of {total} devices do not answer: {names}",
    ),
    "device.several_never": Message(
        "链路 {link}：{total} 台中 {count} 台启动以来从未应答：{names}",
        "link {link}: {count} of {total} devices have not answered since the start: {names}",
    ),
    "device.no_answer_since": Message(
        "设备没有应答（{age}前还正常）",
        "the device does not answer (it did {age} ago)",
        "先查设备电源、停机、接线松动",
        "Look at its power first, whether it was switched off, and for a loose wire",
    ),
    "device.never_answered": Message(
        "启动以来从未应答",
        "it has not answered since the start",
        '先查站号（unit）、波特率、校验、帧格式（变频器多为 ASCII：设备里写 framing = "ascii"，'
        "是 RTU 就删掉它）、A/B；以前读到过的，先查设备电源",
        "Compare unit, baud and parity with the device's panel, and framing: most frequency "
        'inverters speak ASCII (write framing = "ascii" on the device; take it out where the panel '
        "says RTU). Then see whether wires A and B are swapped. If it was read before, check its "
        "power first",
    ),
    "device.never_answered_meter": Message(
        "启动以来从未应答",
        "it has not answered since the start",
        "先查表号 meter（照铭牌写 12 位；线上只有一块表时删掉 meter 就读得到）、"
        "波特率和校验（电能表多为 2400、偶校验）、A/B；以前读到过的，先查设备电源",
        "Check meter first (the twelve digits on its plate; the only meter on a line is read "
        "without it), then baud and parity (meters mostly have 2400, even), A and B; if it was "
        "read before, its power",
    ),
    "device.no_answer_since_tcp": Message(
        "连接已通但不应答（{age}前还正常）",
        "the connection is up, but it does not answer (it did {age} ago)",
        "多半是控制器停机或正在重启；后面是串口设备的，查那台的电源和接线",
        "Usually the controller was stopped or restarts; of a device behind a serial server, look "
        "at its power and wiring",
    ),
    "device.never_answered_tcp": Message(
        "连接已通但不应答",
        "the connection is up, but it does not answer",
        '核对站号（unit，常为 1 或 255）和帧格式（串口服务器透传时写 framing = "rtu"，否则不写）；'
        "后面是串口设备的，再查串口服务器的波特率和校验",
        'Check its unit number (often 1 or 255) and the framing (framing = "rtu" where a serial '
        "server passes bytes through, else none); of a device behind a serial server, that "
        "server's baud and parity, too",
    ),
    "device.never_answered_host": Message(
        "连接已通但不应答",
        "the connection is up, but it does not answer",
        "核对 address 是不是这台设备、端口对不对；对的话，多半是它在启动、停机，或连接数用完："
        "重启它试试",
        "Check that `address` is that device, and the port; if so, it is starting, stopped, or out "
        "of connections: restart it",
    ),
    "device.no_answer_damaged": Message(
        "收到的数据是坏的（损坏 {damaged}）",
        "what is received is damaged ({damaged} times)",
        "多半是 baud、parity 不对，或接线干扰：先核对设备面板上的波特率和校验，再查 A/B 线和屏蔽层",
        "Usually a wrong baud or parity, or noise: compare both with the device's panel, then look "
        "at the wires A and B and the shield",
    ),
    "device.no_answer_damaged_alone": Message(
        "收到的数据是坏的（损坏 {damaged}），而总线上其余的正常",
        "what is received is damaged ({damaged} times), while others on its bus are well",
        "多半是两台设备用了同一站号（电能表是同一表号），同时应答：断开这台，看这个站号还有没有应答；"
        "不是的话，是它自己的波特率、校验与总线不同，或接到它的那段线",
        "Mostly two devices have its unit number (meters: the same address) and answer at once: "
        "disconnect this one and see whether that number still answers; if not, its own baud or "
        "parity differs from the bus's, or it is its stretch of wire",
    ),
    "device.other_unit": Message(
        "有应答，但站号不是 {unit}",
        "something answers, but not as unit {unit}",
        "核对设备面板上的站号，改 unit；也可能总线上还有另一个主站",
        "Compare the unit number with the device's panel and mend unit; or another master is on "
        "the bus",
    ),
    "device.waiting": Message(
        "设备已恢复，{count} 个标签等下一次读取（{seconds} 秒内）",
        "the device is back; {count} tags wait for their next reading (within {seconds} s)",
    ),
    "device.over": Message("恢复应答（中断 {lasted}）", "answers again (after {lasted})"),
    "device.damaged": Message(
        "应答损坏（校验或格式错误）",
        "its answers arrive damaged (checksum or format)",
        "多半是接线，不是参数：屏蔽层、终端电阻、A/B、靠近变频器；每个应答都坏时检查波特率和校验",
        "Wiring more often than settings: shield, termination, A/B, a drive close by; if every "
        "answer is "
        "damaged, check baud and parity",
    ),
    "device.wrong_answer": Message(
        "收到的不是所问的应答，已丢弃",
        "its answers are not to what was asked; they were dropped",
        "可能有两台设备用同一站号，或总线上还有另一个主站",
        "Two devices may share a unit number, or another master is on the bus",
    ),
    "device.wrong_size": Message(
        "有应答，但问 {asked} 字节，答 {bytes} 字节，已丢弃",
        "it answers, but with {bytes} bytes where {asked} were asked; dropped",
        "设备的固件不守协议，或站号与另一台重复：核对型号和站号；也可以换一个 address 试试",
        "Its firmware does not keep to the protocol, or another device has its unit number: check "
        "both, or try another address",
    ),
    "device.wrong_function": Message(
        "有应答，但功能码是 {function}，不是所问的，已丢弃",
        "it answers, but by function {function}, which was not asked; dropped",
        "设备的固件不守协议，或站号与另一台重复：核对型号和站号；也可以把 holding 换成 input 试试",
        "Its firmware does not keep to the protocol, or another device has its unit number: check "
        "both, or try input in place of holding",
    ),
    "device.wrong_length": Message(
        "有应答，但帧头里的长度和数据不符，已丢弃",
        "it answers, but the lengths in its frames contradict each other; dropped",
        '设备或转换器的固件有错：升级它；是串口服务器的，关掉它的协议转换，设备写 framing = "rtu"',
        "A fault of the device or converter: bring its firmware up to date; a serial server can be "
        'set to pass the bytes through, with framing = "rtu" on the device',
    ),
    "device.other_framing": Message(
        "有应答，但帧格式是 {framing}，已丢弃",
        "it answers, but in the framing {framing}; dropped",
        '设备写 framing = "{framing}"',
        'Write framing = "{framing}" on the device',
    ),
    "device.one_behind": Message(
        "有应答，但给的总是上一个请求的数据，已丢弃",
        "it answers, but each time with the data of the request before; dropped",
        "设备或它前面的网关把应答错开了一个：断电重启它；总是这样就升级固件，或换一台网关",
        "The device, or the gateway before it, is one answer behind: switch it off and on; if it "
        "comes back, bring its firmware up to date, or take another gateway",
    ),
    "device.wrong_unit": Message(
        "有应答，但说自己是站号 {answers}",
        "it answers, but as unit {answers}",
        "如果就是这台设备，写 unit = {answers}",
        "If that is the device, write unit = {answers}",
    ),
    "device.too_slow": Message(
        "{late} 后才应答，但 timeout 只有 {timeout}",
        "it answers after {late}, but timeout is {timeout}",
        "把链路 {link} 的 timeout 改大，或删掉这一行（网关会自己学，最多 3 s）",
        "Raise timeout on link {link}, or take that line out (then it is learned, up to 3 s)",
    ),
    "device.never_answered_alone": Message(
        "启动以来从未应答，而总线上其余的都正常",
        "it has not answered since the start, while the others on its bus do",
        "总线没有问题，只查不应答的：站号（unit；电能表是表号 meter）、它自己的波特率、校验、"
        "帧格式（framing）、电源、接到它的那段线",
        "The bus is well, look at what does not answer: its unit number (of a DL/T 645 meter its "
        "address, meter), its own baud, parity and framing, its power, its stretch of wire",
    ),
    "device.no_answer_alone": Message(
        "设备没有应答（{age}前还正常），而总线上其余的都正常",
        "the device does not answer (it did {age} ago), while the others on its bus do",
        "总线没有问题，只查不应答的：电源、停机、站号是否被改、接到它的那段线",
        "The bus is well, look at what does not answer: its power, whether it was switched off, "
        "whether its unit number was changed, its stretch of wire",
    ),
    "device.not_heard": Message(
        "总线上听不到它的应答",
        "nothing of it is heard on the bus",
        "主站多久读它一次？every 不要比主站的周期短。核对站号（unit）和 address："
        "主站读的地址要包括它们",
        "How often does the master read it? every must not be shorter. Compare unit and addresses: "
        "the master must read them",
    ),
    "device.owed": Message(
        "主站有一次没得到它的应答，之后的应答对不上号，先不采用",
        "an answer to the master did not come, and those that follow can't be told apart: they are "
        "not believed",
        "总线静下来后自动恢复。一直不恢复时，把链路 {link} 的 timeout 设到主站等待应答时间的三分"
        '之一以下，例如 timeout = "200 ms"',
        "It is believed again after a pause of the bus. If it never is, set timeout on link {link} "
        "to less than a third of what the master waits for an answer, such as "
        'timeout = "200 ms"',
    ),
    "device.learned_pause": Message(
        "每次请求前先静默 {ms} 毫秒，不然它不应答",
        "it is given {ms} ms of silence before each request, since it does not answer otherwise",
    ),
    "device.refused": Message(
        "设备拒绝读取（异常码 {code}）",
        "the device refuses to be read (exception {code})",
        "01：不支持这个功能码；02：地址不存在；03：一次读得太多。对照手册核对标签的 address",
        "01: function not supported; 02: no such address; 03: too much at once. Check the tags' "
        "addresses "
        "against the manual",
    ),
    "device.failure": Message(
        "设备报告内部故障（异常码 4）",
        "the device reports a failure of its own (exception 4)",
        "看设备面板上的报警，必要时断电重启设备",
        "Look at the alarm on its panel; power-cycle it if need be",
    ),
    "device.not_a_value": Message(
        "读到的不是有效数值（NaN，或 BCD 位不合法）",
        "what was read is no value (NaN, or no BCD digits)",
        "核对 type 和 order；传感器断线时有的设备也这样表示",
        "Check type and order; some devices also say so when a sensor is disconnected",
    ),
    "device.out_of_range": Message(
        "{count} 个标签的值超出 min 到 max",
        "{count} tags are outside their min and max",
        "看是哪些：jiahe watch {device}；与说明书核对 type、order（常是 CDAB）、scale",
        "See which: jiahe watch {device}; compare type, order (often CDAB) and scale with the "
        "manual",
    ),
    "device.out_of_order": Message(
        "{count} 个标签的值超出 min 到 max，像是字节序不对",
        "{count} tags are outside their min and max, as with a wrong byte order",
        '试试 order = "{order}"（写在设备 {device} 里；标签自己写了 order 的改标签），再看 '
        "jiahe watch {device}",
        'Try order = "{order}" on the device {device} (or on its tags, where they have one of '
        "their own), then look at jiahe watch {device}",
    ),
    "device.no_value": Message(
        "{count} 个标签：设备自己说没有数值",
        "{count} tags: the device says that it has no value",
        "多半是传感器没接或断线。看是哪些：jiahe watch {device}；这台设备本来就没有的，"
        "从 tags 里删掉",
        "Usually a sensor is not fitted or its wire broke. See which: jiahe watch {device}; what "
        "this device never has, take out of its tags",
    ),
    # In `jiahe watch`, which knows no code.
    "device.value_none": Message("设备说没有数值", "the device says that it has none"),
    "device.value_refused": Message("设备拒绝读取", "the device refuses to be read"),
    "device.value_failure": Message("设备报告内部故障", "the device reports a failure of its own"),
    "device.value_busy": Message("设备忙", "the device is busy"),
    "device.value_gateway": Message(
        "中间的串口服务器够不到设备", "the gateway in between cannot reach the device"
    ),
    "device.value_out_of_range": Message("超出 min 到 max", "outside its min and max"),
    "device.value_another_asker": Message(
        "另有主站在问，未必是答我们的", "others ask, too: it may be an answer to them"
    ),
    "device.value_doubted": Message(
        "设备自己说不可靠，例如停机", "the device itself doubts it, as in STOP"
    ),
    "device.busy": Message(
        "设备忙（异常码 5 或 6）",
        "the device is busy (exception 5 or 6)",
        "会自动再问。经常出现时加大 every 或 pause",
        "It is asked again by itself. If it happens often, raise every or pause",
    ),
    "device.gateway": Message(
        "中间的串口服务器够不到设备（异常码 10 或 11）",
        "the gateway in between cannot reach the device (exception 10 or 11)",
        "检查串口服务器后面的接线，以及站号（unit）",
        "Check the wiring behind that gateway, and the unit number",
    ),
    "device.link_down": Message(
        "所在的链路不通",
        "its link is down",
        "先解决链路：jiahe links",
        "Mend the link first: jiahe links",
    ),
    "device.partly": Message(
        "{count} 个标签读不到",
        "{count} tags cannot be read",
        "用 jiahe watch {device} 看是哪些标签、什么原因",
        "See which, and why: jiahe watch {device}",
    ),
    "learned.max_registers": Message(
        "一次最多读 {count} 个寄存器",
        "at most {count} registers at once",
    ),
    "learned.hole": Message(
        "不可读的区域 {first}-{last}",
        "cannot be read: {first}-{last}",
    ),
    "learned.no_tid": Message(
        "不回显事务号：同时只发一个请求",
        "does not echo transaction ids: one request at a time",
    ),
    "learned.in_flight": Message(
        "同时发 {count} 个请求（学到的）", "{count} requests at once (learned)"
    ),
    "learned.timeout": Message(
        "应答等待 {ms} 毫秒",
        "answers are awaited for {ms} ms",
    ),
}
