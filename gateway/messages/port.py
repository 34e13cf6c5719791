"""Texts about serial ports that can't be opened."""

from drivers.words import Message

TABLE = {
    "link.port_missing": Message(
        "串口 {target} 不存在",
        "serial port {target} is not there",
        "USB 转 485 转换器插好了吗？换过插座后名称会变，用 ls -l /dev/jiahe /dev/serial/by-path "
        "查看，再改配置里的 port。都没有：换个 USB 口重插，看 sudo dmesg | tail。插回后会自动恢复",
        "Is the USB-to-RS-485 adapter plugged in? Names follow the socket: see ls -l /dev/jiahe "
        "/dev/serial/by-path, then mend `port`. If none is there, plug it into another socket and "
        "look at sudo dmesg | tail. Reading goes on by itself once it is back",
    ),
    "link.port_busy": Message(
        "串口 {target} 正被另一个程序占用",
        "serial port {target} is in use by another program",
        "找出并停掉它：sudo fuser -v {target}",
        "Find it and stop it: sudo fuser -v {target}",
    ),
    "link.port_twice": Message(
        "串口名 {target} 对应不止一个转换器（序列号相同），分不清，不打开",
        "serial port {target} is claimed by more than one adapter, which can't be told apart: none "
        "is opened",
        "拔掉多余的；或在 /etc/udev/rules.d/61-jiahe-ports.rules 里改用 ID_PATH（插在哪个 USB 口）",
        "Unplug the other, or name them by ID_PATH, the socket they are plugged into, in "
        "/etc/udev/rules.d/61-jiahe-ports.rules",
    ),
    "link.port_failed": Message(
        "打不开串口 {target}：{error}",
        "serial port {target} cannot be opened: {error}",
        "权限问题就把服务的用户加入 dialout 组；参数问题请核对 baud、parity、stop_bits",
        "If it is about permission, add the service's user to group dialout; if about settings, "
        "check baud, "
        "parity and stop_bits",
    ),
}
