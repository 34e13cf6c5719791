"""Texts about an address of a host and its port, and parts of them: what is wrong with it."""

from drivers.words import Message

TABLE = {
    "config.bad_address": Message(
        "地址 {value} 不对：{why}",
        "the address {value} is wrong: {why}",
        "例如：{example}",
        "Such as: {example}",
    ),
    "config.no_port": Message(
        "链路“{link}”的地址没有端口，驱动 {driver} 也没有常用端口",
        "the address of link {link} has no port, and the driver {driver} no usual one",
        '端口看串口服务器的设置，例如 address = "{host}:4001"',
        'The serial server\'s settings show it, such as address = "{host}:4001"',
    ),
    "config.port_of_driver": Message(
        "链路“{link}”的端口 {port} 是 {other} 的；{driver} 的通常是 {usual}",
        "port {port} of link {link} is that of {other}; that of {driver} is mostly {usual}",
        'address = "{meant}"；设备确实用 {port} 就不用改',
        'address = "{meant}"; leave it where the device really is on {port}',
    ),
    "config.address_scheme": Message(
        "只写主机和端口，不写 http:// 和路径", "a host and a port only, no http:// and no path"
    ),
    "config.address_brackets": Message(
        "IPv6 地址要放在方括号里，端口写在外面",
        "an IPv6 address stands in brackets, its port behind them",
    ),
    "config.address_colons": Message(
        "冒号多了：一个冒号，后面是端口", "too many colons: one, and the port behind it"
    ),
    "config.address_no_port": Message("缺少端口", "the port is missing"),
    "config.address_port": Message(
        "“{port}”不是端口，端口是 1 到 65535", '"{port}" is no port, which is 1 to 65535'
    ),
    "config.address_zeros": Message(
        "IP 地址的各段前面不能有 0", "the numbers of an IP address have no zeros in front"
    ),
    "config.address_four": Message(
        "{host} 不是 IP 地址，要四段 0 到 255 的数",
        "{host} is no IP address: four numbers of 0 to 255",
    ),
    "config.address_six": Message("{host} 不是 IPv6 地址", "{host} is no IPv6 address"),
    "config.address_zone": Message(
        "{host} 只在一个网口上有效，要写明是哪个网口（ip link 可以看到）",
        "{host} is an address of one interface, which must be named (ip link shows them)",
    ),
    "config.address_name": Message(
        "主机名 {host} 里只能有字母、数字、-、_ 和单个的点",
        'the host name {host} may have letters, digits, "-", "_" and single dots only',
    ),
}
