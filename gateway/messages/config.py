"""Texts about what the configuration says: what is wrong at a place, and how to mend it."""

from drivers.words import Message
from gateway.messages.syntax import CERTIFICATES, GATEWAY, LINK_OF, PLANT, PLATFORM, TAGS_OF

KEYS = {
    "config.unknown_key": Message(
        "未知的配置项“{key}”",
        "unknown key {key}",
        "这里可以写：{known}",
        "Known here: {known}",
    ),
    "config.unknown_key_near": Message(
        "未知的配置项“{key}”，是不是想写“{near}”？",
        "unknown key {key}, did you mean {near}?",
        "改成 {near}",
        "Write {near}",
    ),
    "config.key_elsewhere": Message(
        "“{key}”不属于这里",
        "{key} does not belong here",
        "{meant} 写在 {where} 里：把这一行移过去",
        "{meant} belongs in {where}: move the line there",
    ),
    "config.missing": Message(
        "缺少“{key}”",
        "{key} is missing",
        "加上一行，例如：{example}",
        "Add a line such as: {example}",
    ),
    "config.dotted_name": Message(
        "名称里不能有点：TOML 用点分隔各层",
        "a name has no dot in it: dots divide the parts of a header",
        "写成 {meant}",
        "Write {meant}",
    ),
    "config.missing_table": Message(
        "缺少 [{table}] 一节",
        "the table [{table}] is missing",
        "加上这一节，例如：{example}",
        "Add it, such as: {example}",
    ),
    "config.example_gateway": Message(GATEWAY, GATEWAY),
    "config.example_platform": Message(PLATFORM, PLATFORM),
    "config.wrong_type": Message(
        "“{key}”的值应当是{wanted}",
        "{key} must be {wanted}",
        "例如：{example}",
        "Such as: {example}",
    ),
    "config.kind_text": Message("文字（带英文双引号）", "a text in double quotes"),
    "config.kind_int": Message("整数", "a whole number"),
    "config.kind_in_flight": Message('整数或 "auto"', 'a whole number or "auto"'),
    "config.kind_bool": Message(" true 或 false", "true or false"),
    "config.kind_decimal": Message("数字", "a number"),
    "config.kind_deadband": Message(
        "不小于 0 的数字或百分比", "a number or a percentage, not below 0"
    ),
    "config.kind_labels": Message("数值到名称的对照", "a table of numbers to names"),
    "config.kind_texts": Message("文字的列表", "a list of texts"),
    "config.kind_raws": Message("原始值的列表", "a list of raw values"),
    "config.too_many_raws": Message(
        "“{key}”有 {count} 个，最多 {most} 个",
        "{key} has {count} entries, at most {most} are possible",
        "只留下手册里写的那几个",
        "Keep those that the manual names",
    ),
    "config.not_raw": Message(
        "“{value}”不是 {type} 的原始值",
        '"{value}" is no raw value of type {type}',
        '十六进制写各位的样子，最多 {digits} 位，例如 no_value = ["{example}"]；也可以写十进制数',
        'Hexadecimal: its bits, at most {digits} digits, such as no_value = ["{example}"]; or a '
        "decimal number",
    ),
    "config.kind_table": Message("一节（表）", "a table"),
    "config.not_zero": Message(
        "“{key}”不能是 0",
        "{key} cannot be 0",
        "不需要就删掉这一项",
        "Take it out if it is not needed",
    ),
    "config.bad_choice": Message(
        "“{key}”不能是 {value}",
        "{key} cannot be {value}",
        "可选：{choices}",
        "Choose from: {choices}",
    ),
    "config.bad_choice_near": Message(
        "“{key}”不能是 {value}，是不是想写 {near}？",
        "{key} cannot be {value}, did you mean {near}?",
        "可选：{choices}",
        "Choose from: {choices}",
    ),
    "config.out_of_range": Message(
        "“{key}”的值 {value} 超出范围",
        "{key} = {value} is out of range",
        "允许 {low} 到 {high}",
        "From {low} to {high}",
    ),
    "config.no_unit": Message(
        "“{key}”缺少单位",
        "{key} has no unit",
        '写成带单位的文字，例如：{key} = "{example}"',
        'Write a text with its unit, such as: {key} = "{example}"',
    ),
    "config.bad_unit": Message(
        "“{key}”的值 {value} 看不懂",
        "{key} = {value} makes no sense",
        "数字加单位（{units}），例如：{example}",
        "A number and a unit ({units}), such as: {example}",
    ),
    "config.bad_name": Message(
        "名称“{name}”不能用",
        "{name} cannot be a name",
        "用字母、数字、汉字、- 和 _，最多 64 个字符，不含空格和点，例如：{meant}",
        "Use letters, digits, Chinese, - and _, at most 64 characters, no space, no dot, such as: "
        "{meant}",
    ),
    "config.name_is_ours": Message(
        "名称“{name}”以 _ 开头，这样的名称归网关自己用",
        "{name} begins with _, and such names are the gateway's own",
        "去掉开头的 _，例如：{meant}；要采集网关自身的状态，写 [box]",
        "Leave the _ out, such as: {meant}; for the state of the box itself write [box]",
    ),
    "config.bad_id": Message(
        "网关 id“{id}”不能用",
        "{id} cannot be a gateway's id",
        '用英文字母、数字、. - _，最多 64 个字符，与证书里的相同，例如：id = "{meant}"',
        "Use letters, digits, . - _, at most 64 characters, the same as in the certificate, such "
        'as: id = "{meant}"',
    ),
    "config.short_timeout": Message(
        "链路“{link}”的 timeout 比这台设备最慢的应答还短",
        "the timeout of link {link} is shorter than this device's slowest answer",
        "加大链路的 timeout",
        "Raise the link's timeout",
    ),
    "config.version": Message(
        "配置格式版本 {value} 太新或不对",
        "configuration version {value} is too new, or wrong",
        "这个软件读 version = 1",
        "This software reads version = 1",
    ),
    "config.control_in_text": Message(
        "“{key}”里有不能显示的字符 {code}",
        "there is a character in {key} that cannot be shown, {code}",
        "删掉它；文字写成一行",
        "Take it out; a text is one line",
    ),
    "config.empty": Message(
        "“{key}”不能为空",
        "{key} cannot be empty",
        "例如：{example}",
        "Such as: {example}",
    ),
}

RULES = {
    "config.wrong_kind_of_link": Message(
        "{type} 链路没有“{key}”",
        "a {type} link has no {key}",
        "删掉这一行，或改 type",
        "Take the line out, or change type",
    ),
    "config.port_in_address": Message(
        "网络链路的端口写在 address 里，不单独写 port",
        "the port of a network link stands in its address, not in port",
        "写成 {example}",
        "Write {example}",
    ),
    "config.unit_left_out": Message(
        "{device} 没写站号（unit），按 1 读",
        "{device} says no unit; it is read as unit 1",
        "站号见设备面板或手册；加上一行，例如：unit = 1",
        "Its panel or manual says which; add a line such as: unit = 1",
    ),
    "config.over_disk": Message(
        "max_size 是 {size}，而 {path} 所在的磁盘总共只有 {disk}",
        "max_size is {size}, but the disk of {path} has {disk} altogether",
        "减小 [buffer] max_size，或把 path 改到更大的磁盘",
        "Lower [buffer] max_size, or point path to a larger disk",
    ),
    "config.insecure_remote": Message(
        "insecure 只允许用于本机地址，{address} 不是",
        "insecure is for loopback addresses only, which {address} is not",
        "去掉 insecure 这一行，写上证书：" + CERTIFICATES,
        "Take insecure out, and say certificates:" + CERTIFICATES,
    ),
    "config.file_missing": Message(
        "文件 {path} 还不存在",
        "the file {path} is not there yet",
        "在它到位之前平台连不上，但采集照常",
        "The uplink cannot start without it; reading goes on",
    ),
    "config.link_drivers": Message(
        "链路“{link}”上有用 {other} 的设备“{first}”，它不能与 {driver} 的设备共用一条链路",
        "the link {link} has the device {first} of the driver {other}, which can't share it with "
        "devices of {driver}",
        "把用 {driver} 的设备接到另一个串口（或另一个 IP 地址），另写一个 [links.…]，"
        "再把 link 改成它的名字",
        "Connect the devices of {driver} to another serial port (or address), write a [links.…] "
        "for it, and say its name here",
    ),
    "config.link_framings": Message(
        "链路“{link}”上的设备“{first}”用 {other} 帧格式，这台设备用 {framing}：一条连接只能用一种",
        "on the link {link} the device {first} speaks {other} and this one {framing}: a connection "
        "carries one of them",
        "改成同一种 framing，或给这台设备另写一个 [links.…]",
        "Give both the same framing, or write another [links.…] for this device",
    ),
    "config.line_of_listener": Message(
        "只听的链路“{link}”上，设备不能有自己的 {key}：整条线上各设备相同",
        "on the link {link}, which only listens, no device has a {key} of its own",
        "删掉这一行，在链路里写 {key}",
        "Take the line out, and say {key} on the link",
    ),
    "config.no_such_link": Message(
        "没有名为“{link}”的链路",
        "there is no link {link}",
        "已有的链路：{known}",
        "Links there are: {known}",
    ),
    "config.no_link_yet": Message(
        "没有名为“{link}”的链路，一条链路都没有",
        "there is no link {link}, nor any other",
        "加上这条链路，例如：" + LINK_OF,
        "Add it, such as:" + LINK_OF,
    ),
    "config.no_such_profile": Message(
        "没有名为“{profile}”的模板",
        "there is no profile {profile}",
        '自带的模板用 jiahe profiles 查看，例如：profile = "{such}"；自己的写 .toml 或 .csv '
        "文件的路径",
        'jiahe profiles lists the shipped ones, such as: profile = "{such}"; of your own, write '
        "the path of its .toml or .csv file",
    ),
    "config.no_shipped_profile": Message(
        "没有名为“{profile}”的模板；驱动 {driver} 没有自带的模板",
        "there is no profile {profile}; none is shipped for driver {driver}",
        "改成自己的 .toml 或 .csv 文件的路径，或删掉这一行",
        "Write the path of a .toml or .csv file of your own, or delete this line",
    ),
    "config.no_such_profile_near": Message(
        "没有名为“{profile}”的模板，是不是想写“{near}”？",
        "there is no profile {profile}, did you mean {near}?",
        "改成 {near}；全部模板：jiahe profiles",
        "Write {near}; jiahe profiles lists them all",
    ),
    "config.no_such_driver": Message(
        "没有名为“{driver}”的驱动",
        "there is no driver {driver}",
        "可选：{known}",
        "There are: {known}",
    ),
    "config.wrong_driver": Message(
        "模板 {profile} 属于驱动 {wanted}，不是 {driver}",
        "the profile {profile} is for driver {wanted}, not {driver}",
        'driver = "{wanted}"；或换一个模板（jiahe profiles 列出）',
        'driver = "{wanted}"; or choose another profile (jiahe profiles lists them)',
    ),
    "config.no_tags": Message(
        "设备“{device}”没有标签",
        "the device {device} has no tags",
        "写 profile（有哪些见 jiahe profiles）或 tags_file，或加一节，每行一个标签，例如："
        + TAGS_OF,
        "Say profile (see jiahe profiles) or tags_file, or add a table with one tag a line, such "
        "as:" + TAGS_OF,
    ),
    "config.no_period": Message(
        "标签“{tag}”没有周期",
        "the tag {tag} has no period",
        '给设备写 every = "1 s"，或给标签单独写',
        'Give the device every = "1 s", or the tag its own',
    ),
    "config.tag_key_needs": Message(
        "“{key}”只用于 {types} 类型，这个标签是 {type}",
        "{key} is for {types} only; this tag is {type}",
        "删掉它，或改 type",
        "Take it out, or change type",
    ),
    "config.tag_key_conflict": Message(
        '“{key}”要求 report = "change"',
        '{key} wants report = "change"',
        'report = "change"；或删掉 {key}',
        'report = "change"; or take {key} out',
    ),
    "config.bad_unit_range": Message(
        "站号 {value} 看不懂",
        "the unit numbers {value} make no sense",
        '写一个数 unit = 7，或范围 unit = "11-34"，0 到 255，例如：unit = {meant}',
        'Write one number, unit = 7, or a range, unit = "11-34", from 0 to 255, such as: '
        "unit = {meant}",
    ),
    "config.range_without_place": Message(
        "多台设备要在名称里写 {{unit}}，“{name}”里没有",
        "several devices need {{unit}} in their name, which {name} lacks",
        '例如：[devices."{name}-{{unit:02}}"]',
        'Such as: [devices."{name}-{{unit:02}}"]',
    ),
    "config.port_twice": Message(
        "串口 {port} 已由链路“{other}”使用",
        "the port {port} already belongs to link {other}",
        "一个串口只写一条链路，多台设备共用它",
        "One link a port; several devices share it",
    ),
    "config.min_over_max": Message(
        "min {min} 大于 max {max}",
        "min, {min}, is above max, {max}",
        "写成 min = {max}, max = {min}，或删掉一个",
        "Write min = {max}, max = {min}, or take one out",
    ),
    "config.target_twice": Message(
        "地址 {target} 已由链路“{other}”使用",
        "the address {target} already belongs to link {other}",
        "一个地址只写一条链路，多台设备共用它；设备允许几个请求同时进行时写 in_flight",
        "One link an address; several devices share it, and in_flight lets it ask several at once",
    ),
    "config.bad_packet": Message(
        "“{key}”的值 {value} 看不懂",
        "{key} = {value} makes no sense",
        "写 text: 加文字，或 hex: 加十六进制，1 到 {most} 字节，与 DTU 里设置的一样，例如："
        "{example}",
        "Write text: and the text, or hex: and hexadecimal digits, 1 to {most} bytes, as it is "
        "set in the DTU, such as: {example}",
    ),
    "config.bad_listen": Message(
        "监听地址 {value} 看不懂",
        "the address {value} to listen on makes no sense",
        '写本机的 IP:端口；0.0.0.0 表示本机所有地址，例如：listen = "0.0.0.0:6000"',
        "Write an IP:port of this box; 0.0.0.0 means all its addresses, such as: "
        'listen = "0.0.0.0:6000"',
    ),
    "config.listen_twice": Message(
        "同一个端口已由链路“{other}”在 {address} 监听",
        "link {other} listens on the same port, at {address}",
        "两条链路写同一个 listen，或换一个端口",
        "Give both links the same listen, or another port",
    ),
    "config.register_missing": Message(
        "链路“{other}”用同一个监听端口，这条链路却没有 register：分不清是谁拨入",
        "link {other} has the same listen, and this link has no register: nothing tells who dials "
        "in",
        '加上 register，与 DTU 里设置的注册包一样，例如：register = "text:JX007"；或换一个端口',
        'Add register, as it is set in the DTU, such as: register = "text:JX007"; or take another '
        "port",
    ),
    "config.register_missing_there": Message(
        "链路“{other}”用同一个监听端口，却没有 register：分不清是谁拨入",
        "link {other} has the same listen and no register: nothing tells who dials in",
        "给“{other}”加上 register，与 DTU 里设置的注册包一样；或换一个端口",
        "Give {other} a register, as it is set in its DTU; or take another port",
    ),
    "config.register_twice": Message(
        "注册包与链路“{other}”的相同，或一个是另一个的开头：分不清是谁拨入",
        "the register is that of link {other}, or one begins with the other: nothing tells who "
        "dials in",
        "在 DTU 里改成各不相同的注册包，长度一样最好",
        "Set a different one in each DTU, best of equal length",
    ),
    "config.unit_twice": Message(
        "同一链路上“{other}”也是站号 {unit}",
        "{other} on the same link is unit {unit} too",
        "确认是不是同一台设备；RTU 总线上站号不能重复",
        "Is it the same device? Unit numbers on an RTU bus must differ",
    ),
    "config.port_path": Message(
        "串口写设备文件的路径，{port} 不是",
        "a serial port is the path of its device, which {port} is not",
        '例如：port = "{meant}"；有哪些：ls -l /dev/serial/by-path /dev/ttyS*',
        'Such as: port = "{meant}"; see ls -l /dev/serial/by-path /dev/ttyS* for those there are',
    ),
    "config.odd_baud": Message(
        "波特率 {baud} 很少见，按它读；是不是 {near}？",
        "a baud of {baud} is unusual, and taken as it is; is it {near}?",
        "核对设备手册；写错了就改成 baud = {near}",
        "Look in the device's manual; if it is a slip, write baud = {near}",
    ),
    "config.in_flight_serial": Message(
        "串口链路同时只能有一个请求",
        "a serial link carries one request at a time",
        "删掉 in_flight",
        "Take in_flight out",
    ),
    "config.no_devices": Message(
        "没有配置任何设备",
        "no device is configured",
        "加上链路和设备，例如：" + PLANT,
        "Add links and devices, such as:" + PLANT,
    ),
    "config.key_of_driver": Message(
        "{key} 不是驱动 {driver} 的",
        "{key} is no key of the driver {driver}",
        "删去它；它属于 {drivers}",
        "Leave it out; it belongs to {drivers}",
    ),
}

TABLE = {**KEYS, **RULES}
