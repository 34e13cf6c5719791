"""Texts about the configuration files: what is wrong at a place, and how to mend it."""

from gateway.messages.message import Message

FILES = {
    "config.not_found": Message(
        "配置文件 {path} 不存在",
        "there is no configuration file {path}",
        "用 --config FILE 或环境变量 JIAHE_CONFIG 指明文件；示例见 gateway.example.toml",
        "Name it with --config FILE or JIAHE_CONFIG; gateway.example.toml is an example",
    ),
    "config.unreadable": Message(
        "读不了 {path}：{error}",
        "{path} cannot be read: {error}",
        "检查它是不是一个文件、权限是否允许服务的用户读取（ls -l）",
        "Check that it is a file and that the service's user may read it (ls -l)",
    ),
    "config.too_big": Message(
        "文件太大：上限 {limit}",
        "the file is too big: the limit is {limit}",
        "把它拆到 conf.d/*.toml 中",
        "Split it over conf.d/*.toml",
    ),
    "config.not_utf8": Message(
        "文件不是 UTF-8 编码（像是 GBK）",
        "the file is not UTF-8 (it looks like GBK)",
        "用编辑器另存为 UTF-8，或：iconv -f GB18030 -t UTF-8",
        "Save it as UTF-8 in the editor, or: iconv -f GB18030 -t UTF-8",
    ),
    "config.control_character": Message(
        "有不可见的控制字符 {code}",
        "there is an invisible control character {code}",
        "删掉它；文件可能在拷贝时损坏",
        "Delete it; the file may have been damaged in copying",
    ),
    "config.full_width": Message(
        "有全角符号 {found}",
        "there is a full-width character {found}",
        "切换到英文输入法，改成 {wanted}",
        "Switch the input method off and type {wanted}",
    ),
}

SYNTAX = {
    "config.syntax": Message(
        "语法错误：{error}",
        "syntax error: {error}",
        '每行写成 名称 = 值，文字用英文双引号："..."',
        'Write one  name = value  a line, texts in double quotes: "..."',
    ),
    "config.more_errors": Message(
        "已有 {count} 处语法错误，其余的没有再找",
        "{count} syntax errors so far; no more were looked for",
        "先改好这些，再检查一次",
        "Mend these, then check again",
    ),
    "config.syntax_key": Message(
        "这里应当是一个配置项的名称",
        "a key is expected here",
        '写成 名称 = 值；名称有空格、点或中文时加英文双引号："1号机"',
        'Write  name = value; names with spaces, dots or Chinese go in double quotes: "press 1"',
    ),
    "config.syntax_name": Message(
        "名称“{name}”要放在英文双引号里",
        "the name {name} must stand in double quotes",
        '写成 "{name}"：[devices."{name}"]，或 "{name}" = ...',
        'Write "{name}": [devices."{name}"], or "{name}" = ...',
    ),
    "config.syntax_equals": Message(
        "名称后面缺少等号 =",
        "an equals sign = is missing after the key",
        '写成 名称 = 值；名称有中文时加英文双引号："1号机" = ...',
        'Write  name = value; names with Chinese go in double quotes: "press 1" = ...',
    ),
    "config.syntax_value": Message(
        "值看不懂",
        "the value makes no sense",
        '文字加英文双引号："..."；是和否写 true、false；数字不带单位',
        'Put texts in double quotes: "..."; yes and no are true and false; numbers carry no unit',
    ),
    "config.syntax_string": Message(
        "字符串没有结束的引号",
        "the text has no closing quote",
        "在这一行里补上结尾的引号",
        "Close it with the same quote on this line",
    ),
    "config.syntax_escape": Message(
        "双引号里的反斜杠 \\ 有特殊含义，这里用错了",
        "a backslash \\ is special in double quotes, and wrong here",
        "写两个反斜杠 \\\\，或改用单引号",
        "Write it twice, \\\\, or use single quotes",
    ),
    "config.syntax_array": Message(
        "方括号 [ 没有配对的 ]",
        "the bracket [ is never closed by ]",
        "在列表末尾补上 ]，各项之间用逗号",
        "Close the list with ], its items apart by commas",
    ),
    "config.syntax_inline": Message(
        "花括号 {{ 没有配对的 }}，或两项之间缺少逗号",
        "the brace {{ is never closed by }}, or a comma is missing between two items",
        "一个花括号里的内容要写在同一行，用英文逗号分隔，最后一项后面没有逗号",
        "What stands in braces is one line, apart by commas, none after the last",
    ),
    "config.syntax_header": Message(
        "表头没有写完",
        "the table header is not complete",
        "写成 [devices.名称]，单独一行",
        "Write [devices.NAME], alone on its line",
    ),
    "config.syntax_brackets": Message(
        "双方括号 [[ ]] 在这里没有用处",
        "double brackets [[ ]] have no use here",
        "名称写在表头里：[devices.名称]、[links.名称]",
        "The name stands in the header: [devices.NAME], [links.NAME]",
    ),
    "config.syntax_rest": Message(
        "一行里写了两样东西",
        "there are two things on one line",
        "每行只写一项；文字要放在英文双引号里；注释以 # 开头",
        "One key a line; texts go in double quotes; comments start with #",
    ),
    "config.twice_key": Message(
        "“{key}”写了两次",
        "{key} is said twice",
        "留下一个；第一次在 {first}",
        "Keep one of them; the first is at {first}",
    ),
    "config.twice_name": Message(
        "名称“{name}”用了两次：另一个在 {first}",
        "the name {name} is used twice: the other is at {first}",
        "给其中一个换个名称",
        "Give one of them another name",
    ),
}

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
    "config.not_yet": Message(
        "这个版本还不支持 {key}",
        "this version cannot do {key} yet",
        "删掉这一项；升级后再用",
        "Take it out; use it after an upgrade",
    ),
    "config.missing": Message(
        "缺少“{key}”",
        "{key} is missing",
        "加上一行，例如：{example}",
        "Add a line such as: {example}",
    ),
    "config.missing_table": Message(
        "缺少 [{table}] 一节",
        "the table [{table}] is missing",
        "加上这一节，见 docs/configuration.md",
        "Add it; docs/configuration.md shows how",
    ),
    "config.wrong_type": Message(
        "“{key}”的值应当是{wanted}",
        "{key} must be {wanted}",
        "例如：{example}",
        "Such as: {example}",
    ),
    "config.kind_text": Message("文字（带英文双引号）", "a text in double quotes"),
    "config.kind_int": Message("整数", "a whole number"),
    "config.kind_bool": Message("true 或 false", "true or false"),
    "config.kind_decimal": Message("数字", "a number"),
    "config.kind_deadband": Message(
        "不小于 0 的数字或百分比", "a number or a percentage, not below 0"
    ),
    "config.kind_labels": Message("数值到名称的对照", "a table of numbers to names"),
    "config.kind_texts": Message("文字的列表", "a list of texts"),
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
        "用字母、数字、汉字、- 和 _，最多 64 个字符，不含空格和点",
        "Use letters, digits, Chinese, - and _, at most 64 characters, no space, no dot",
    ),
    "config.bad_id": Message(
        "网关 id“{id}”不能用",
        "{id} cannot be a gateway's id",
        "用英文字母、数字、. - _，最多 64 个字符，与证书里的相同",
        "Use letters, digits, . - _, at most 64 characters, the same as in the certificate",
    ),
    "config.short_timeout": Message(
        "链路“{link}”的 timeout 比这台设备最慢的应答还短",
        "the timeout of link {link} is shorter than this device's slowest answer",
        "加大链路的 timeout",
        "Raise the link's timeout",
    ),
    "config.bad_address": Message(
        "地址 {value} 看不懂",
        "the address {value} makes no sense",
        '写成 "主机:端口"，例如：{example}',
        'Write "host:port", such as: {example}',
    ),
    "config.version": Message(
        "配置格式版本 {value} 太新或不对",
        "configuration version {value} is too new, or wrong",
        "这个软件读 version = 1",
        "This software reads version = 1",
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
    "config.insecure_remote": Message(
        "insecure 只允许用于本机地址，{address} 不是",
        "insecure is for loopback addresses only, which {address} is not",
        "配置 ca、cert、key，去掉 insecure",
        "Say ca, cert and key, and take insecure out",
    ),
    "config.file_missing": Message(
        "文件 {path} 还不存在",
        "the file {path} is not there yet",
        "在它到位之前平台连不上，但采集照常",
        "The uplink cannot start without it; reading goes on",
    ),
    "config.no_such_link": Message(
        "没有名为“{link}”的链路",
        "there is no link {link}",
        "已有的链路：{known}",
        "Links there are: {known}",
    ),
    "config.no_such_profile": Message(
        "没有名为“{profile}”的模板",
        "there is no profile {profile}",
        '自带的模板：jiahe profiles；自己的写文件路径：profile = "my.toml"',
        'Shipped ones: jiahe profiles; for your own, write its path: profile = "my.toml"',
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
        "改 driver，或换一个模板",
        "Change driver, or choose another profile",
    ),
    "config.no_tags": Message(
        "设备“{device}”没有标签",
        "the device {device} has no tags",
        '写 profile = "..."、tags_file = "..."，或加一节 [devices.{device}.tags]',
        'Say profile = "..." or tags_file = "...", or add a table [devices.{device}.tags]',
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
        '删掉 report = "all"，或删掉 {key}',
        'Take report = "all" out, or {key}',
    ),
    "config.bad_unit_range": Message(
        "站号 {value} 看不懂",
        "the unit numbers {value} make no sense",
        '写一个数 unit = 7，或范围 unit = "11-34"，0 到 255',
        'Write one number, unit = 7, or a range, unit = "11-34", from 0 to 255',
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
    "config.unit_twice": Message(
        "同一链路上“{other}”也是站号 {unit}",
        "{other} on the same link is unit {unit} too",
        "确认是不是同一台设备；RTU 总线上站号不能重复",
        "Is it the same device? Unit numbers on an RTU bus must differ",
    ),
    "config.in_flight_serial": Message(
        "串口链路同时只能有一个请求",
        "a serial link carries one request at a time",
        "删掉 in_flight",
        "Take in_flight out",
    ),
    "config.csv_heading": Message(
        "表格的标题行缺少“{key}”列",
        "the table has no column {key}",
        "标题行可用：{known}",
        "Headings may be: {known}",
    ),
    "config.csv_unknown": Message(
        "表格里有不认识的列“{key}”",
        "the table has an unknown column {key}",
        "标题行可用：{known}",
        "Headings may be: {known}",
    ),
    "config.no_devices": Message(
        "没有配置任何设备",
        "no device is configured",
        "加上 [links.NAME] 和 [devices.NAME]，见 docs/configuration.md",
        "Add [links.NAME] and [devices.NAME]; docs/configuration.md shows how",
    ),
}

TABLE = {**FILES, **SYNTAX, **KEYS, **RULES}
