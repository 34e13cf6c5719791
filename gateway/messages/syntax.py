"""Texts about configuration files as files, and as TOML."""

from drivers.words import Message

GATEWAY = """
    [gateway]
    id = "jx-nanhu-0031\""""
CERTIFICATES = """
    ca   = "pki/ca.pem"
    cert = "pki/gateway.pem"
    key  = "pki/gateway.key\""""
PLATFORM = (
    """
    [platform]
    address = "ingest.example.cn:8443\""""
    + CERTIFICATES
)
TAGS_OF = """
    {table}
    t1 = {{ {tag} }}"""
LINK_OF = """
    {table}
    type = "serial"
    port = "/dev/jiahe/com1\""""
_SMALLEST = "\n    version = 1" + GATEWAY + PLATFORM
PLANT = """
    [links.com1]
    type = "serial"
    port = "/dev/jiahe/com1"
    [devices.meter-1]
    link    = "com1"
    driver  = "modbus"
    unit    = 7
    profile = "chint-dtsu666"
    every   = "1 s\""""

FILES = {
    "config.not_found": Message(
        "配置文件 {path} 不存在",
        "there is no configuration file {path}",
        "用 --config FILE 或环境变量 JIAHE_CONFIG 指明文件。还没有就新建，最少写："
        + _SMALLEST
        + PLANT,
        "Name it with --config FILE or JIAHE_CONFIG. Where there is none yet, write at least:"
        + _SMALLEST
        + PLANT,
    ),
    "config.not_found_near": Message(
        "配置文件 {path} 不存在，旁边有 {found}",
        "there is no configuration file {path}, but {found} is beside it",
        "是它就改名：sudo mv {found} {path}",
        "If that is it: sudo mv {found} {path}",
    ),
    "config.not_allowed": Message(
        "读不了 {path}：没有权限",
        "{path} cannot be read: you may not",
        "请管理员执行：usermod -aG {group} {user}，然后重新登录；或用 sudo 执行这条命令",
        "An administrator may say: usermod -aG {group} {user}; then log in again. Or use sudo",
    ),
    "config.hidden": Message(
        "这里有问题；这个文件您自己没有权限读，不显示内容",
        "there is a problem here; you may not read this file yourself, so it is not shown",
        "请能读这个文件的人执行 jiahe check",
        "Let somebody who may read it say jiahe check",
    ),
    "config.service_not_allowed": Message(
        "服务的用户 {user} 读不了 {path}",
        "the service's user {user} may not read {path}",
        "sudo chgrp {user} {blocking} && sudo chmod {mode} {blocking}",
        "sudo chgrp {user} {blocking} && sudo chmod {mode} {blocking}",
    ),
    "config.service_not_writing": Message(
        "服务的用户 {user} 不能在 {path} 里写",
        "the service's user {user} may not write into {path}",
        "sudo chown {user} {path}",
        "sudo chown {user} {path}",
    ),
    "config.not_read": Message(
        "conf.d 里的 {names} 没有读：名称不以 .toml 结尾",
        "{names} in conf.d is not read: the name does not end in .toml",
        "要读就改名：sudo mv {found} {meant}",
        "To have it read: sudo mv {found} {meant}",
    ),
    "config.unreadable": Message(
        "读不了 {path}：{error}",
        "{path} cannot be read: {error}",
        "检查它是不是一个文件、权限是否允许服务的用户读取（ls -l）",
        "Check that it is a file and that the service's user may read it (ls -l)",
    ),
    "config.not_allowed_root": Message(
        "读不了 {path}：没有权限，它只属于 root",
        "{path} cannot be read: it belongs to root alone",
        "用 sudo 执行；或让服务的组能读：sudo chgrp jiahe {path} && sudo chmod 640 {path}",
        "Use sudo; or let the service's group read it: sudo chgrp jiahe {path} && sudo "
        "chmod 640 {path}",
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
        "用编辑器另存为 UTF-8，或：iconv -f GB18030 -t UTF-8 -o {file}.new {file} && "
        "mv {file}.new {file}",
        "Save it as UTF-8 in the editor, or: iconv -f GB18030 -t UTF-8 -o {file}.new {file} && "
        "mv {file}.new {file}",
    ),
    "config.utf16": Message(
        "文件像是 UTF-16 编码（记事本的 Unicode），或不是文本",
        "the file looks like UTF-16 (Notepad's Unicode), or is no text",
        "用编辑器另存为 UTF-8，或：iconv -f UTF-16 -t UTF-8 -o {file}.new {file} && "
        "mv {file}.new {file}",
        "Save it as UTF-8 in the editor, or: iconv -f UTF-16 -t UTF-8 -o {file}.new {file} && "
        "mv {file}.new {file}",
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
        "切换到英文输入法，写成 {wanted}",
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
        '写成 名称 = 值；名称有中文时加英文双引号："1号机"',
        'Write  name = value; names with Chinese go in double quotes: "1号机"',
    ),
    "config.syntax_name": Message(
        "名称“{name}”要放在英文双引号里",
        "the name {name} must stand in double quotes",
        "写成 {meant}",
        "Write {meant}",
    ),
    "config.syntax_equals": Message(
        "名称后面缺少等号 =",
        "an equals sign = is missing after the key",
        '写成 名称 = 值；名称有中文时加英文双引号："1号机" = ...',
        'Write  name = value; names with Chinese go in double quotes: "1号机" = ...',
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
    "config.syntax_bracket": Message(
        "表头缺少方括号 {sign}",
        "the table header lacks its {sign}",
        "写成 {meant}，单独一行",
        "Write {meant}, alone on its line",
    ),
    "config.syntax_brackets": Message(
        "双方括号 [[ ]] 在这里没有用处",
        "double brackets [[ ]] have no use here",
        "名称写在表头里：[devices.名称]、[links.名称]",
        "The name stands in the header: [devices.NAME], [links.NAME]",
    ),
    "config.typed": Message("写成 {typed}", "Write {typed}"),
    "config.stray_sign": Message(
        "这里不能有 {found}", "there can be no {found} here", "写成 {wanted}", "Write {wanted}"
    ),
    "config.too_deep": Message(
        "名称或括号超过 {most} 层",
        "more than {most} names or brackets within each other",
        "一项配置最多三四层：[devices.名称.tags]",
        "A key has three or four parts at most: [devices.NAME.tags]",
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

TABLE = {**FILES, **SYNTAX}
