"""Texts about links. `target` is the serial device or the address, as configured."""

from gateway.messages.message import Message

TABLE = {
    "link.about": Message("链路 {link}（{devices}）：{said}", "link {link} ({devices}): {said}"),
    "link.over": Message("恢复（中断 {lasted}）", "is up again (after {lasted})"),
    "link.port_missing": Message(
        "串口 {target} 不存在",
        "serial port {target} is not there",
        "转换器插好了吗？换过插座后名称会变，用 ls -l /dev/jiahe /dev/serial/by-path 查看，"
        "再改配置里的 port。插回后会自动恢复",
        "Is the adapter plugged in? Names follow the socket: see ls -l /dev/jiahe "
        "/dev/serial/by-path, then "
        "mend `port`. Reading goes on by itself once it is back",
    ),
    "link.port_busy": Message(
        "串口 {target} 正被另一个程序占用",
        "serial port {target} is in use by another program",
        "找出并停掉它：sudo fuser -v {target}",
        "Find it and stop it: sudo fuser -v {target}",
    ),
    "link.port_failed": Message(
        "打不开串口 {target}：{error}",
        "serial port {target} cannot be opened: {error}",
        "权限问题就把服务的用户加入 dialout 组；参数问题请核对 baud、parity、stop_bits",
        "If it is about permission, add the service's user to group dialout; if about settings, "
        "check baud, "
        "parity and stop_bits",
    ),
    "link.refused": Message(
        "{target} 拒绝连接",
        "{target} refuses the connection",
        "机器在线，但这个端口没有服务：核对端口号，确认控制器已启用 Modbus TCP，且连接数没有用完",
        "The machine is there but nothing listens on that port: check the port number, that "
        "Modbus TCP is "
        "enabled, and that its connections are not used up",
    ),
    "link.unreachable": Message(
        "到不了 {target}",
        "{target} cannot be reached",
        "检查网线、IP 地址和网段：ping 这个地址，再看 ip route",
        "Check cable, IP address and subnet: ping the address, then look at ip route",
    ),
    "link.reset": Message(
        "{target} 断开了连接",
        "{target} closed the connection",
        "正在重连。经常出现时：控制器可能只允许一个连接，或请求太快（加大 every 或 pause）",
        "Reconnecting. If it happens often, the controller may allow one connection only, or is "
        "asked too fast "
        "(raise every or pause)",
    ),
    "link.timeout": Message(
        "连接 {target} 超时",
        "connecting to {target} timed out",
        "没有任何应答：机器关机、IP 不对，或中间的防火墙丢弃了数据包",
        "Nothing answers at all: the machine is off, the IP is wrong, or a firewall drops the "
        "packets",
    ),
    "link.garbage": Message(
        "{target} 发来的不是 Modbus 数据",
        "what {target} sends is not Modbus",
        '核对端口号和帧格式：串口服务器多为 framing = "rtu"',
        'Check the port number and the framing: serial servers mostly want framing = "rtu"',
    ),
    "link.nothing_heard": Message(
        "{target} 上没有听到主站的问答",
        "nothing of a master is heard on {target}",
        "核对波特率和校验与主站一致；A/B 线并接在总线上，没有接反；主站正在运行。"
        "RS-232 和四线 RS-422 只听得到一个方向",
        "Baud and parity must be the master's; the wires A and B join the bus, not swapped; the "
        "master must run. On RS-232 and four wires only one direction is heard",
    ),
    "link.silent": Message(
        "{target} 上没有设备应答",
        "no device on {target} answers",
        "依次检查：设备电源、A/B 是否接反、波特率和校验、站号（unit）",
        "Check in this order: power of the devices, A/B swapped, baud and parity, unit numbers",
    ),
}
