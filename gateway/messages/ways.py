"""Texts about several ways to the platform: [uplinks]."""

from drivers.words import Message

TABLE = {
    "config.bad_interface": Message(
        "“{value}”不是网络接口的名称",
        "{value} is no name of a network interface",
        '用命令 ip link 看名称，例如：interface = "wwan0"',
        'The command ip link names them, such as: interface = "wwan0"',
    ),
    "config.interface_twice": Message(
        "网络接口 {interface} 已经写在 {first}",
        "the interface {interface} is already at {first}",
        "每条路写一个不同的接口，或删掉一条",
        "Give each way an interface of its own, or take one out",
    ),
    "config.budget_unmetered": Message(
        "data_budget 只用于按流量计费的路",
        "data_budget is for a way that is paid for by its bytes",
        "加上 metered = true，或删掉 data_budget",
        "Add metered = true, or take data_budget out",
    ),
    "config.budget_of_uplink": Message(
        "写了 [uplinks] 以后，流量上限写在它的那条路里",
        "where there are [uplinks], the data budget belongs to one of them",
        "把这一行移到 [uplinks.{name}]（或按流量计费的那条路），并加上 metered = true",
        "Move this line to [uplinks.{name}], or whichever is metered, and add metered = true",
    ),
    "cli.way": Message("通路", "way"),
    "cli.way_now": Message(
        "{name}（{interface}）{state}，已发 {sent}，已收 {received}",
        "{name} ({interface}) {state}, {sent} sent, {received} received",
    ),
    "cli.way_used": Message("使用中", "used now"),
    "cli.way_ready": Message("备用", "stands by"),
    "cli.way_failed": Message("不通", "does not work"),
    "uplink.no_interface": Message(
        "没有网络接口 {interface}",
        "there is no network interface {interface}",
        "用 ip link 看接口的名称；5G 模块没插好、没拨号时它不出现",
        "ip link names the interfaces; that of a modem is missing while it is unplugged or has not "
        "dialled",
    ),
    "uplink.not_bound": Message(
        "系统不允许连接只走网络接口 {interface}",
        "the system does not let a connection be bound to the interface {interface}",
        "需要 Linux 5.7 或更新的内核（uname -r），或删掉 [uplinks]",
        "Linux 5.7 or later is needed (uname -r), or take [uplinks] out",
    ),
    "uplink.no_socket": Message(
        "在 {folder} 里建不了套接字：{error}",
        "no socket can be made in {folder}: {error}",
        "看这个目录的空间和权限：df -h {folder}；ls -ld {folder}",
        "Look at its room and its rights: df -h {folder}; ls -ld {folder}",
    ),
    "uplink.returns": Message(
        "“{way}”已稳定十分钟，回到它",
        "{way} has been good for ten minutes: back to it",
    ),
    "uplink.by_another": Message(
        "“{name}”（{interface}）不通，现在走“{other}”（{other_interface}）",
        "{name} ({interface}) does not work; what is sent goes by {other} ({other_interface}) now",
        "检查 {interface} 的网线或信号：ip addr show {interface}；它稳定十分钟后自动切回",
        "Check the cable or signal of {interface}: ip addr show {interface}. It is taken again by "
        "itself once it was good for ten minutes",
    ),
}
