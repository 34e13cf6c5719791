"""Texts about keys and tables of a configuration that are right, but not where they stand."""

from drivers.words import Message

TABLE = {
    "config.tag_outside": Message(
        "“{tag}”像是标签，标签不直接写在设备里",
        "{tag} looks like a tag, and tags do not stand in the device itself",
        "在这一行前面加一行：{meant}",
        "Put a line in front of this one: {meant}",
    ),
    "config.tag_header": Message(
        "“{tag}”像是标签，标签不直接写在设备里",
        "{tag} looks like a tag, and tags do not stand in the device itself",
        "写成 {meant}",
        "Write {meant}",
    ),
    "config.tags_list": Message(
        "标签不写成列表，每行一个，名称在前",
        "tags are no list: one a line, its name first",
        "整段改成一节，每行一个标签，例如：\n    {header}\n    {first}",
        "Write a table in place of all of it, a tag a line, such as:\n    {header}\n    {first}",
    ),
    "config.known": Message(
        "驱动对地址“{text}”的说法不成立：{said}",
        "what the driver says of address {text} can be said of no tag: {said}",
        "这是驱动的缺陷，告诉写驱动的人",
        "The driver is wrong: tell whoever wrote it",
    ),
    "config.missing_inside": Message(
        "缺少“{key}”", "{key} is missing", "写成 {meant}", "Write {meant}"
    ),
    "config.inline_lines": Message(
        "花括号 {{ }} 里的内容要写在同一行",
        "what stands in braces {{ }} is one line",
        "这几行写成一行：{meant}",
        "Write one line in place of these: {meant}",
    ),
    "config.list_of_tables": Message(
        "[[{table}]] 这种写法在这里不用，名称写在表头里",
        "[[{table}]] is not written here: the name stands in the header",
        "把 [[{table}]] 和 name 两行改成一行：{meant}",
        "Write one line in place of [[{table}]] and its name: {meant}",
    ),
    "config.twice_table": Message(
        "“{key}”写了两次",
        "{key} is said twice",
        "留下一个（第一次在 {first}）；是另一台就换个名称，例如 {meant}",
        "Keep one of them (the first is at {first}); if it is another one, it wants another name, "
        "such as {meant}",
    ),
    "config.yaml_parent": Message(
        "“{key}:”是 YAML 的写法，配置用 TOML",
        "“{key}:” is YAML; configurations are TOML",
        "删掉这一行，下面的改成 {meant}",
        "Take the line out, and write {meant} below",
    ),
    "config.yaml_header": Message(
        "“{key}:”是 YAML 的写法，配置用 TOML",
        "“{key}:” is YAML; configurations are TOML",
        "写成 {meant}",
        "Write {meant}",
    ),
    "config.no_such_driver_near": Message(
        "没有名为“{driver}”的驱动，是不是想写“{near}”？",
        "there is no driver {driver}, did you mean {near}?",
        'driver = "{near}"；可选：{known}',
        'driver = "{near}"; there are: {known}',
    ),
    "config.not_text": Message(
        "这不是文本文件",
        "this is no text file",
        "是不是拷错了文件？配置是 UTF-8 的文本：file {file}",
        "Is it the wrong file? A configuration is text in UTF-8: file {file}",
    ),
}
