"""Texts about too much: of what can be delivered, and of what can be said."""

from drivers.words import Message

TABLE = {
    "config.too_long": Message(
        "“{key}”有 {size} 字节，最多 {most}（一个汉字 3 字节）",
        "{key} is {size} bytes long, {most} at most (a Chinese character takes 3)",
        "写短一些",
        "Make it shorter",
    ),
    "config.absurd_number": Message(
        "“{key}”的数字太大、太小或太长",
        "the number of {key} is too big, too small or too long",
        "小数点前后最多各 {digits} 位",
        "At most {digits} digits before the point and as many behind it",
    ),
    "config.too_many_labels": Message(
        "有 {count} 个对照（labels），一个标签最多 {most} 个",
        "there are {count} labels, and a tag has {most} at most",
        "删去用不到的，或分到几个标签",
        "Take out what is not needed, or divide them over several tags",
    ),
    "config.too_many_links": Message(
        "链路超过 {most} 条",
        "there are more than {most} links",
        "一台网关最多 {most} 条：其余的交给另一台网关",
        "A gateway has {most} at most: give the others to a second gateway",
    ),
    "config.too_many_tags": Message(
        "到这里共有 {count} 个标签（每台设备都算），超过 {most} 个",
        "up to here there are {count} tags, each counted for each device: {most} at most",
        "删去用不到的标签，或把设备分给几台网关",
        "Take out tags that nobody needs, or divide the devices over several gateways",
    ),
    "config.too_many_groups": Message(
        "到这里共有 {count} 组（设备和周期各不相同的），超过 {most} 组",
        "up to here there are {count} groups, one a device and period: {most} at most",
        "少用几种周期，或把设备分给几台网关",
        "Use fewer periods, or divide the devices over several gateways",
    ),
    "config.tags_too_large": Message(
        "这台设备一个周期的标签连同对照（labels）有 {size}，最多 {most}",
        "the tags of one period of this device take {size} with their labels, {most} at most",
        "缩短对照的文字，或分成两台设备",
        "Shorten the labels, or divide them over two devices",
    ),
    "config.catalog_too_large": Message(
        "到这里全部标签的名称、单位和对照共 {size}，最多 {most}",
        "up to here the names, units and labels of all tags take {size}, {most} at most",
        "相同的设备共用一个 profile 或 tags_file；缩短对照（labels）的文字",
        "Let devices alike share one profile or tags_file; shorten labels",
    ),
    "config.few_files": Message(
        "{links} 条链路要打开 {needed} 个文件，服务只许 {limit} 个：它不会启动",
        "{links} links take {needed} open files, the service may have {limit}: it would not start",
        "sudo mkdir -p /etc/systemd/system/jiahe.service.d && printf "
        "'[Service]\\nLimitNOFILE={needed}\\n' | sudo tee "
        "/etc/systemd/system/jiahe.service.d/files.conf && sudo systemctl daemon-reload",
        "sudo mkdir -p /etc/systemd/system/jiahe.service.d && printf "
        "'[Service]\\nLimitNOFILE={needed}\\n' | sudo tee "
        "/etc/systemd/system/jiahe.service.d/files.conf && sudo systemctl daemon-reload",
    ),
    "config.alike": Message(
        "同样的问题还有 {count} 处（第 {lines} 行），这里是其中第一处：{said}",
        "{count} more like it (on lines {lines}); the first of them: {said}",
    ),
    "config.and_more": Message(
        "还有 {count} 处问题没有列出",
        "{count} more problems are not listed",
        "先改好上面这些，再检查一次",
        "Mend those above, then check again",
    ),
    "config.enough": Message(
        "错误太多：找到 {count} 处后没有再找",
        "too many errors: after {count} of them no more were looked for",
        "先改好上面这些，再检查一次",
        "Mend those above, then check again",
    ),
}
