"""The table of every key: kind, unit, range, default and help in both languages.

The checker, the reference in docs/configuration*.md and the did-you-mean all read this table. A key
that is neither here nor among those that a driver declares (`Driver.keys`) does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import get_args

from drivers import registry
from drivers.api import ByteOrder, Framing, ValueType
from drivers.keys import Key
from drivers.raw import TYPES as RAW_TYPES

MS, S, DAY = 10**6, 10**9, 86_400 * 10**9
MIB = 2**20

Table = Mapping[str, Key]


def _table(*keys: Key) -> Table:
    return {key.name: key for key in keys}


FILE = _table(
    Key("version", "int", "1", "配置格式的版本", "version of this format", required=True),
    Key("gateway", "table", "", "网关自己", "the gateway itself"),
    Key("platform", "table", "", "平台", "the platform"),
    Key(
        "uplinks",
        "table",
        "",
        "通往平台的几条路，先写的优先",
        "ways to the platform, the preferred one first",
    ),
    Key("buffer", "table", "", "断网缓存", "the buffer"),
    Key(
        "box",
        "table",
        "",
        "网关自身的状态和信号，作为设备 _box 采集；不写：不采集",
        "the box's own health and radio, read as device _box; left out: not read",
    ),
    Key("links", "table", "", "链路：串口或网络地址", "links: serial ports, network addresses"),
    Key("devices", "table", "", "设备", "devices"),
)

GATEWAY = _table(
    Key("id", "text", '"jx-nanhu-0031"', "全平台唯一的名称", "unique on the platform",
        required=True),
    Key("site", "text", '"5G 车间 3 号线"', "安装地点，给人看", "where it stands, for people",
        default=""),
    Key("language", "choice", '"zh"', "命令行和日志的语言",
        "language of the command line and the log",
        default="zh", choices=("zh", "en")),
    Key("control", "text", '"/run/jiahe/control.sock"', "命令行与守护进程之间的套接字",
        "socket between the commands and the daemon", default="/run/jiahe/control.sock"),
)  # fmt: skip

PLATFORM = _table(
    Key("address", "text", '"ingest.example.cn:8443"', "平台的 主机:端口",
        "host:port of the platform",
        required=True),
    Key("ca", "text", '"pki/ca.pem"', "平台证书的签发机构",
        "authority that signed the platform's certificate"),
    Key("cert", "text", '"pki/gateway.pem"', "本网关的证书", "this gateway's certificate"),
    Key("key", "text", '"pki/gateway.key"', "本网关的私钥", "this gateway's private key"),
    Key("insecure", "bool", "false", "不加密，只允许本机地址",
        "plain text; loopback addresses only",
        default=False),
    Key("send_every", "duration", '"500 ms"', "新数据最多等多久发出",
        "the longest that a fresh sample waits before it is sent",
        default=500 * MS, low=50 * MS, high=600 * S),
    Key("data_budget", "rate", '"5 GB/month"',
        "SIM 卡的流量上限，每月（month）或每天（day），北京时间；不写：不限",
        "what the SIM card may carry a month, or a day, of UTC+8; left out: no limit",
        low=2 * MIB),
)  # fmt: skip

UPLINK = _table(
    Key("interface", "text", '"wwan0"', "网络接口的名称（ip link 列出）",
        "the network interface, as ip link names it", required=True),
    Key("metered", "bool", "true", "按流量计费", "what it carries is paid for by its bytes",
        default=False),
    Key("data_budget", "rate", '"5 GB/month"',
        "这条路的流量上限，每月（month）或每天（day），北京时间；不写：不限",
        "what it may carry a month, or a day, of UTC+8; left out: no limit",
        low=2 * MIB),
)  # fmt: skip

BUFFER = _table(
    Key("path", "text", '"/var/lib/jiahe/buffer"', "目录", "a directory",
        default="/var/lib/jiahe/buffer"),
    Key("max_size", "size", '"2 GiB"', "最多占用的磁盘", "the most disk that it takes",
        default=2048 * MIB, low=16 * MIB, high=2**50),
    Key("keep_for", "duration", '"30 days"',
        "平台没确认的数据最多留多久；实际会再多留至多一小时（时间跳变或停机之后至多一天），时钟从没对过时一直留着",
        "how long it keeps what was not acknowledged; up to an hour longer (a day after the time"
        " jumped or the box was off), and as long as the clock was never set",
        default=30 * DAY, low=60 * S, high=3650 * DAY),
    Key("flush_every", "duration", '"1 s"', "断电最多丢失多久的数据",
        "the most that a power cut can take",
        default=S, low=100 * MS, high=600 * S),
    Key("when_full", "choice", '"drop_oldest"', "满了丢哪一头；两种都记为缺口",
        "which end to drop when full; both announce what they drop",
        default="drop_oldest", choices=("drop_oldest", "drop_newest")),
)  # fmt: skip

BOX = _table(
    Key("every", "duration", '"60 s"', "多久读一次", "how often it is read",
        default=60 * S, low=10 * S, high=DAY),
    Key("radio", "bool", "true", "也读 5G/4G 模块的信号（ModemManager）",
        "the radio of a 5G or 4G modem too, out of ModemManager", default=True),
)  # fmt: skip

#: Rates that devices have; others are read as they are written, with a word.
BAUDS = (
    300, 600, 1200, 2400, 4800, 9600, 14400, 19200, 28800, 38400, 56000, 57600, 76800, 115200,
    128000, 187500, 230400, 250000, 256000, 460800, 500000, 576000, 921600, 1000000, 1152000,
    1500000, 2000000, 2500000, 3000000, 3500000, 4000000,
)  # fmt: skip
#: What a link waits for an answer at most, where neither the file nor a profile says.
TIMEOUT_NS = 300 * MS
#: The longest wait for a device that dials in: 4G takes 50 to 1500 ms there and back, and its bus
#: adds to that.
LISTEN_TIMEOUT_NS = 3 * S
NETWORK = ("tcp", "udp")
BAUD_LEAST, BAUD_MOST = 50, 4_000_000
PARITIES = ("none", "even", "odd")
LINK = _table(
    Key("type", "choice", '"serial"', "链路类型", "what it is", required=True,
        choices=("serial", "tcp", "udp", "listen")),
    Key("port", "text", '"/dev/jiahe/com1"', "串口设备", "the serial device", only=("serial",)),
    Key("baud", "int", "9600", "波特率，bit/s", "bits a second", default=9600, low=BAUD_LEAST,
        high=BAUD_MOST, only=("serial",)),
    Key("data_bits", "int", "8", "数据位", "data bits of a character", default=8, low=7, high=8,
        only=("serial",)),
    Key("parity", "choice", '"none"', "校验", "parity", default="none", choices=PARITIES,
        only=("serial",)),
    Key("stop_bits", "int", "1", "停止位", "stop bits", default=1, low=1, high=2, only=("serial",)),
    Key("rs485", "bool", "false", "由内核切换 RS-485 收发",
        "let the kernel switch the RS-485 transceiver",
        default=False, only=("serial",)),
    Key("address", "text", '"192.168.10.21:502"', "主机:端口；不写端口时用驱动常用的",
        "host:port; without a port the usual one of its driver", only=NETWORK),
    Key("timeout", "duration", '"300 ms"',
        "最长等待；实际值按设备的应答学习。不写：300 ms（设备模板可要求更长；listen 为 3 s），"
        "慢的设备最多到 3 s",
        "the longest wait; the real one is learned a device from its answers. Left out: 300 ms, "
        "longer where a profile asks for it, 3 s on listen; and up to 3 s for a slow device",
        low=10 * MS, high=60 * S),
    Key("pause", "duration", '"0 ms"', "两次请求之间额外的静默",
        "silence between requests, over the standard's",
        default=0, low=0, high=10 * S),
    Key("after_connect", "duration", '"2 s"',
        "新连接上先静默多久再发第一个请求；不写时自动学习",
        "silence on a new connection before the first request; left out, it is learned",
        only=("tcp",), low=0, high=60 * S),
    Key("in_flight", "in_flight", "1",
        "同时未答的请求数上限；\"auto\"：由网关学习，最多 16（只限网络链路）",
        'the most requests at once; "auto": learned, up to 16 (on the network only)',
        default=1, low=1, high=32),
    Key("listen_only", "bool", "true", "总线另有主站：只听它的问答，不发送（RTU）",
        "another master owns this bus: decode what it asks and gets, send nothing (RTU)",
        default=False, only=("serial",)),
    Key("tls", "table",
        '{ ca = "pki/plant.pem", cert = "pki/plant-gateway.pem", key = "pki/plant-gateway.key" }',
        "Modbus Security：加密，双方出示证书。端口多为 802",
        "Modbus Security: encrypted, both sides show a certificate. The port is mostly 802",
        only=("tcp",)),
    Key("listen", "text", '"0.0.0.0:6000"', "等待 DTU 拨入的本机地址 IP:端口，几条链路可以共用",
        "our own IP:port that a DTU dials in to; several links may share it", only=("listen",)),
    Key("register", "packet", '"text:JX007"',
        "DTU 连上后先说的注册包：text: 或 hex:，1 到 64 字节；独占一个端口时可以不写",
        "what the DTU says first: text: or hex:, 1 to 64 bytes; may be left out where a link has "
        "its port to itself", only=("listen",)),
    Key("heartbeat", "packet", '"hex:fe"', "DTU 的心跳包，会被丢弃：text: 或 hex:",
        "the DTU's heartbeat, which is swallowed: text: or hex:", only=("listen", "tcp")),
)  # fmt: skip

LINK_TLS = _table(
    Key("ca", "text", '"pki/plant.pem"', "控制器证书的签发机构",
        "authority that signed the controller's certificate", required=True),
    Key("cert", "text", '"pki/plant-gateway.pem"', "出示给控制器的证书",
        "certificate that is shown to the controller", required=True),
    Key("key", "text", '"pki/plant-gateway.key"', "它的私钥", "its private key", required=True),
)  # fmt: skip

ORDERS: tuple[ByteOrder, ...] = get_args(ByteOrder)
TYPES: tuple[ValueType, ...] = get_args(ValueType)
INTEGERS = (
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bcd", "bcd16",
    "bcd32",
)  # fmt: skip
NUMBERS = (*INTEGERS, "s5time", "float32", "float64")
#: Types that need a length, with an example of one.
LENGTHS = {"string": "length = 16", "wstring": "length = 16", "bcd": "length = 4"}

_EVERY = Key("every", "duration", '"1 s"', "周期", "period", low=MS, high=DAY)
_ORDER = Key("order", "choice", '"ABCD"', "字节序", "byte order", choices=ORDERS)
_PAUSE = Key("pause", "duration", '"0 ms"', "这台设备要求的静默",
        "silence that this device wants, over the link's",
             low=0, high=10 * S)  # fmt: skip

_ALIGN = Key("align", "bool", "true", "采集时刻对齐到周期的整数倍（UTC）",
        "ticks at whole multiples of the period, in UTC")  # fmt: skip

DEVICE = _table(
    Key("link", "text", '"com1"', "所在链路的名称", "name of its link", required=True),
    Key("driver", "text", '"modbus"', "驱动", "driver", required=True),
    Key("unit", "units", "1", "站号，或范围 \"11-34\"（名称里写 {unit}）",
        'unit number, or a range "11-34" with {unit} in the name', default=(1,)),
    Key("framing", "choice", '"rtu"', "帧格式；不写时随链路",
        "framing; follows the link when left out",
        choices=get_args(Framing)),
    Key("profile", "text", '"chint-dtsu666"', "模板名，或 .toml/.csv 文件",
        "a profile's name, or a .toml or .csv file"),
    _EVERY,
    _ALIGN,
    _ORDER,
    Key("tags", "table", "", "标签", "its tags"),
    Key("tags_file", "text", '"lathe.csv"', "标签表（CSV）", "a table of tags (CSV)"),
    _PAUSE,
    Key("baud", "int", "2400", "波特率，与串口链路不同时写",
        "bits a second, where this device differs from its serial link", low=BAUD_LEAST,
        high=BAUD_MOST),
    Key("parity", "choice", '"even"', "校验，与串口链路不同时写",
        "parity, where this device differs from its serial link", choices=PARITIES),
    Key("stop_bits", "int", "2", "停止位，与串口链路不同时写",
        "stop bits, where this device differs from its serial link", low=1, high=2),
)  # fmt: skip

TAG = _table(
    Key("address", "text", '"holding:270"', "地址，写法由驱动决定",
        "where it is; the driver says how it is written",
        required=True),
    Key("type", "choice", '"int16"', "类型", "type", required=True, choices=TYPES),
    Key("every", "duration", '"50 ms"', "周期；不写时用设备的",
        "period; the device's when left out", low=MS, high=DAY),
    Key("order", "choice", '"CDAB"', "字节序；不写时用设备的",
        "byte order; the device's when left out", choices=ORDERS),
    Key("scale", "decimal", "0.001", "值 = 原始值 × scale + offset", "value = raw x scale + offset",
        default=Decimal(1), only=NUMBERS),
    Key("offset", "decimal", "-40", "见 scale", "see scale", default=Decimal(0), only=NUMBERS),
    Key("unit", "text", '"rad"', "物理单位，给人看", "physical unit, for people", default=""),
    Key("length", "int", "16", "字节数，一个寄存器两个；wstring 的字符数",
        "bytes, two a register; characters of a wstring", low=1, high=254, only=tuple(LENGTHS)),
    Key("signed", "bool", "true", "BCD 的最高位是符号", "the highest bit of a BCD is its sign",
        default=False, only=("bcd",)),
    Key("encoding", "choice", '"ascii"', "文字编码", "text encoding", default="ascii",
        choices=("ascii", "utf-8", "gb18030"), only=("string",)),
    Key("labels", "labels", '{ 0 = "manual", 1 = "auto" }', "数值的名称", "names of values",
        default={},
        only=("bool", *INTEGERS)),
    Key("resolution", "decimal", "0.01", "编码前舍入到它的倍数",
        "values are rounded to its multiples",
        low=Decimal(0), only=NUMBERS),
    Key("report", "choice", '"all"', "每次都报，或只报变化", "every scan, or changes only",
        choices=("all", "change")),
    Key("deadband", "deadband", '0.5', "变化小于它不报（或 \"1 %\"）",
        'smaller changes are not reported (or "1 %")',
        only=NUMBERS),
    Key("no_value", "raws", '["0xFFFF"]', "表示“没有数值”的原始值：记为坏值，不当数值",
        'raw values that mean "none": bad, and no value', default=(), only=RAW_TYPES),
    Key("min", "decimal", "0", "低于它的值记为不确定", "a value below it is uncertain",
        only=NUMBERS),
    Key("max", "decimal", "100", "高于它的值记为不确定", "a value above it is uncertain",
        only=NUMBERS),
    Key("description", "text", '"总有功电能"', "说明，给人看", "what it is, for people",
        default=""),
    Key("at_least", "duration", '"60 s"', "不变也隔这么久报一次，最迟一小时",
        "an unchanged value is repeated after this, after an hour at the latest",
        low=MS, high=DAY),
)  # fmt: skip


@cache
def device_table(driver: str) -> Table:
    """The keys of a device that `driver` reads: those that all have, and its own. Of an unknown
    driver: those that all have.
    """
    try:
        return {**DEVICE, **_table(*registry.get(driver).keys)}
    except registry.UnknownDriverError:
        return DEVICE


def drivers_with(key: str) -> list[str]:
    """Drivers of ours whose devices have a key of this name of their own. Others' are not loaded to
    find out: one that is broken must not spoil the words about a slip elsewhere.
    """
    names = registry.ours()
    return [name for name in names if any(each.name == key for each in registry.get(name).keys)]


#: What a file of the configuration may say where, as its headers are written.
TABLES: Mapping[str, Table] = {
    "[gateway]": GATEWAY, "[platform]": PLATFORM, "[uplinks.…]": UPLINK, "[buffer]": BUFFER,
    "[box]": BOX,
    "[links.…]": LINK,
    "[links.….tls]": LINK_TLS, "[devices.…]": DEVICE, "[devices.….tags]": TAG,
}  # fmt: skip

PROFILE_FILE = _table(
    Key("profile", "table", "", "模板自己", "the profile itself"),
    Key("tags", "table", "", "标签", "its tags"),
)

PROFILE = _table(
    Key("title", "text", '"CHINT DTSU666"', "英文名", "name in English", required=True),
    Key("title_zh", "text", '"正泰 DTSU666"', "中文名", "name in Chinese", default=""),
    Key("driver", "text", '"modbus"', "驱动", "driver", required=True),
    Key("source", "text", '"manual V2.1, table 3"', "依据的手册", "the manual it rests on",
        default=""),
    Key("confidence", "text", '"manual"', "核实到什么程度", "how far it was verified", default=""),
    Key("timeout", "duration", '"300 ms"', "设备的最长应答时间", "the longest it takes to answer",
        low=10 * MS,
        high=60 * S),
    _EVERY,
    _ORDER,
    _PAUSE,
)  # fmt: skip


def profile_table(driver: str) -> Table:
    """The keys of a profile of that driver's devices; of an unknown driver: those of any of ours,
    as the driver itself is what is wrong.
    """
    try:
        drivers: list[str] = [registry.get(driver).name]
    except registry.UnknownDriverError:
        drivers = registry.ours()
    own = (key for name in drivers for key in registry.get(name).keys if key.in_profiles)
    return {**PROFILE, **_table(*own)}
