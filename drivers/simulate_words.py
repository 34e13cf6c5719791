"""What `jiahe-sim` says of itself, in Chinese and in English: --help, and the command `help`.

In a table of its own: the floor below may not read gateway/messages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drivers.modbus.simulator.terminals import PARITIES
from usage import Parser, Words

HELP = {
    "description": Words(
        "模拟控制器，用于培训和试用配置。就绪后说一行，然后听标准输入里的命令（help 列出全部），"
        "直到 Ctrl-C、quit 或输入结束。请在单独的终端里运行。",
        "Simulated controllers, for training and tests. Says a line when it is ready, then obeys "
        "commands on its standard input (help lists them) until Ctrl-C, quit or the end of that "
        "input: give it a terminal of its own.",
    ),
    "map": Words(
        "模板名（jiahe profiles 列出），或标签文件",
        "a shipped profile (jiahe profiles lists them), or a file of tags",
    ),
    "tcp": Words("在这个地址监听；端口 0：任意空闲的；可写几次", "port 0: any free one"),
    "pty": Words(
        "伪终端上的串口总线，快慢按 --baud；PATH 就是配置里的 port。不管配置里的波特率和校验，"
        "写错也读得到",
        "a serial bus at the pace of --baud; PATH, the port of the configuration, links to its "
        "terminal. It ignores the configuration's baud and parity: wrong ones are read, too",
    ),
    "port": Words(
        "本机的串口，例如 /dev/ttyUSB1：回答接在上面的主站，按 --baud 和 --parity",
        "a serial port of this machine, such as /dev/ttyUSB1: answers the master that is wired to "
        "it, at --baud and --parity",
    ),
    "parity": Words("--port 的校验（默认 none）", "of --port (default none)"),
    "tls": Words(
        "在 --tcp 上用 Modbus Security：自己的证书、私钥，客户端的签发机构（PEM）",
        "Modbus Security on --tcp: its own PEM files, and the authority of its clients",
    ),
    "dial": Words(
        "拨到这个地址的 4G DTU，后面接一条总线", "a paced bus behind a 4G DTU that dials in there"
    ),
    "register": Words("DTU 先说的注册包", "what the DTU says first"),
    "heartbeat": Words("DTU 在帧之间说的心跳包", "what it says between frames"),
    "heartbeat_every": Words("心跳间隔，秒（默认 30）", "seconds between heartbeats (default 30)"),
    "framing": Words(
        "帧格式；默认 --tcp 为 tcp，其余为 rtu。模板是 mtconnect 的：shdr 是适配器，不写是代理",
        "default: tcp on --tcp, else rtu. With a profile of mtconnect: shdr is an adapter, else it "
        "is an agent",
    ),
    "baud": Words("总线的波特率，只决定快慢（默认 9600）", "the pace of the bus (default 9600)"),
    "char_bits": Words(
        "一个字符的位数：起始、数据、校验、停止（默认 10：8N1）",
        "start, data, parity and stop bits (default 10: 8N1)",
    ),
    "units": Words("应答的站号（默认 1）", "the units that answer (default 1)"),
    "meters": Words(
        "同一条线上的 DL/T 645 电能表，写 12 位表号；--pty、--port、--dial 用。模板是 dlt645 的："
        "代替 --units",
        "DL/T 645 meters on the same wire, by their twelve digits; with --pty, --port or --dial. "
        "With a profile of dlt645: in place of --units",
    ),
    "dead": Words("在总线上但从不应答的站号", "units that are there but never answer"),
    "answer_ms": Words("应答时间，毫秒；默认 --tcp 为 0，其余为 5", "default: 0 on --tcp, else 5"),
    "counter": Words("应答计数器放在哪个地址，或 none", "where the answer counter lies, or none"),
    "counter_from": Words("计数器第一次的值（默认 1）", "what the counter says first (default 1)"),
    "book": Words("把每次应答的计数和时间写到这里", "write each answer's counter and times here"),
    "name": Words(
        "账本里设备的名称；{unit} 是站号", "of the devices in the book; {unit}: their number"
    ),
    "seed": Words("随机数的种子（默认 0）", "of its random numbers (default 0)"),
    "allow_remote": Words("允许别的机器连接", "listen beyond this machine"),
    "json": Words("就绪时说一行 JSON", "the ready line as JSON"),
    "where": Words(
        "写明在哪里：--tcp ADDRESS:PORT（可写几次）、--pty PATH、--port PATH 或 --dial "
        "ADDRESS:PORT",
        "say where: --tcp ADDRESS:PORT (may be repeated), --pty PATH, --port PATH, or --dial "
        "ADDRESS:PORT",
    ),
    "where_s7": Words(
        "S7 的 CPU 只在 TCP 上：--tcp ADDRESS:PORT（可写几次）",
        "an S7 CPU is on TCP: --tcp ADDRESS:PORT (may be repeated)",
    ),
    "where_meter": Words(
        "模拟电表：写一个 --tcp ADDRESS:PORT，或 --pty PATH",
        "simulated meters: one --tcp ADDRESS:PORT, or --pty PATH",
    ),
    "where_agent": Words(
        "MTConnect 的代理只在 TCP 上：--tcp ADDRESS:PORT（可写几次）",
        "an MTConnect agent is on TCP: --tcp ADDRESS:PORT (may be repeated)",
    ),
    "meters_where": Words(
        "--meters 与 --pty、--port 或 --dial 一起用", "--meters goes with --pty, --port or --dial"
    ),
    "shdr_where": Words(
        "--framing shdr 只用于 mtconnect 的模板，例如 mtconnect-cnc",
        "--framing shdr goes with a profile of mtconnect, such as mtconnect-cnc",
    ),
    "tls_where": Words(
        "--tls 与 --tcp、--framing tcp 一起用", "--tls goes with --tcp and --framing tcp"
    ),
}

#: Answer to a line that is no command; `line` is what was typed, `faults` are the names of faults.
NO_COMMAND = Words(
    "没有命令“{line}”；例如 mute 2、clear 2（恢复正常）、slow * 200；help 列出全部。故障：{faults}",
    "no such command: {line}; such as mute 2, clear 2 (all is well again), slow * 200; help lists "
    "all of them. Faults: {faults}",
)

COMMANDS = Words(
    """\
命令，每行一条。UNIT 是站号、设备名，或 *（全部）；mute、clear 也可以写 --meters 里的表号。

  mute UNIT              不应答；恢复：clear UNIT，或 mute UNIT off
  slow UNIT MS           晚 MS 毫秒应答
  late UNIT MS           同上，只对 one_in 选中的应答
  noise UNIT N           大约每 N 字节错一位
  garbage UNIT N         应答前后各加 N 个乱字节
  truncate UNIT N        只发应答的前 N 字节
  wrong UNIT 什么        应答里错一样：unit、transaction、function、count
  exception UNIT N       一律答异常码 N
  max_registers UNIT N   拒绝更长的读取；max_bits 同样
  holes UNIT R,R         拒绝碰到这些地址的读取，例如 holding:10-19
  refusal UNIT N         上面两种用哪个异常码拒绝（默认 2）
  split UNIT N           应答分成每段 N 字节（TCP）
  trickle UNIT MS        每 MS 毫秒发一个字节（TCP）
  drop UNIT              不应答而是断开连接（TCP）
  echo UNIT              先把请求原样送回
  one_in UNIT N          late、garbage、truncate、wrong、drop 只对每第 N 个应答
  clear UNIT             以上全部关掉

  close、open            拔掉、插回：连接、端口、串口、DTU
  drop                   断开所有连接
  connections N          一个端口最多几个连接；0：不限
  stats、counters        应答了多少、总线上看到什么；每台的应答计数
  flush                  现在就写账本
  quit                   结束（Ctrl-C、输入结束也一样）""",
    """\
Commands, one a line. UNIT is a unit's number, its name, or * for all; for mute and clear also a
meter's address as in --meters.

  mute UNIT              does not answer; back by: clear UNIT, or mute UNIT off
  slow UNIT MS           answers that much later
  late UNIT MS           the same, for the answers that one_in picks
  noise UNIT N           a wrong bit about each N bytes
  garbage UNIT N         N random bytes before and after each answer
  truncate UNIT N        sends the first N bytes of an answer only
  wrong UNIT WHAT        one thing in the answer: unit, transaction, function, count
  exception UNIT N       answers everything with exception N
  max_registers UNIT N   refuses longer reads; so does max_bits
  holes UNIT R,R         refuses reads that touch these addresses, such as holding:10-19
  refusal UNIT N         the exception that these refuse with (2 at first)
  split UNIT N           sends answers in pieces of N bytes (TCP)
  trickle UNIT MS        sends a byte each MS (TCP)
  drop UNIT              closes the connection instead of answering (TCP)
  echo UNIT              returns the request before the answer
  one_in UNIT N          late, garbage, truncate, wrong, drop: only each Nth answer
  clear UNIT             all of these off

  close, open            pulled and put back: connections, ports, terminals, DTUs
  drop                   ends every connection
  connections N          the most that a port takes; 0: no limit
  stats, counters        what was answered and seen on the buses; the answers of each unit
  flush                  write the book now
  quit                   end, as Ctrl-C and the end of the input do""",
)


def words(which: str | Words, lang: str) -> str:
    return (HELP[which] if isinstance(which, str) else which).said(lang)


def parser_in(lang: str) -> Parser:
    """What `jiahe-sim` takes."""
    parser = Parser(lang=lang, prog="jiahe-sim", description=words("description", lang))

    def add(name: str, **more: Any) -> None:
        key = name.removeprefix("--").replace("-", "_")
        parser.add_argument(name, help=words(key, lang), **more)

    add("map", metavar="PROFILE|MAP.toml")
    add("--tcp", action="append", default=[], metavar="ADDRESS:PORT")
    add("--pty", type=Path, metavar="PATH")
    add("--port", type=Path, metavar="PATH")
    add("--parity", choices=tuple(PARITIES), default="none")
    add("--tls", nargs=3, type=Path, metavar=("CERT", "KEY", "CA"))
    add("--dial", metavar="ADDRESS:PORT")
    add("--register", default="", metavar="text:…|hex:…")
    add("--heartbeat", default="", metavar="text:…|hex:…")
    add("--heartbeat-every", type=float, default=30.0, metavar="S")
    add("--framing", choices=("tcp", "rtu", "ascii", "shdr"))
    add("--baud", type=int, default=9600)
    add("--char-bits", type=int, default=10)
    add("--units", default="1", metavar="1-4,9")
    add("--meters", default="", metavar="METER,METER")
    add("--dead", default="", metavar="4")
    add("--answer-ms", type=float, metavar="MS")
    add("--counter", default="", metavar="ADDRESS")
    add("--counter-from", type=int, default=1, metavar="N")
    add("--book", type=Path, metavar="FILE")
    add("--name", default="unit-{unit}")
    add("--seed", default="0")
    add("--allow-remote", action="store_true")
    add("--json", action="store_true")
    return parser


S7_COMMANDS = Words(
    """\
命令，每行一条，对这里的每个 CPU。

  mute                   不应答；恢复：clear，或 mute off
  slow MS                晚 MS 毫秒应答
  late MS                同上，只对 one_in 选中的应答
  drop                   断开所有连接
  grant N、jobs N        答应的 PDU 长度、同时的请求数
  real N                 实际能收的 PDU 长度，再长就答 8500
  items N                一次只答前 N 项
  refuse HEX             整个请求答这个错误（8104：没有允许 PUT/GET）
  optimised N,N          这些数据块是优化的；missing N,N：没有这些数据块
  end N                  数据块只有 N 个字节
  spoilt N,N             DB1 的这些字节：读到其中一个，整个读取被拒绝（8500）
  state N                8 运行，4 停止，0 不告诉
  fragment N、split N    应答分成每段 N 字节：ISO 分段、TCP 分段
  fill                   最后一项后面也补一个字节
  bare                   连接确认里不写 TPDU 长度
  tsap HEX,HEX           只接受这些 TSAP
  one_in N               late 只对每第 N 个应答
  clear                  以上全部关掉

  close、open            拔掉、插回
  connections N          最多几个连接；0：不限
  stats                  应答了多少
  quit                   结束（Ctrl-C、输入结束也一样）""",
    """\
Commands, one a line, for every CPU here.

  mute                   does not answer; back by: clear, or mute off
  slow MS                answers MS milliseconds later
  late MS                the same, for the answers that one_in picks
  drop                   closes every connection
  grant N, jobs N        the PDU that it grants, and the requests at once
  real N                 the PDU that it really takes: longer is refused with 8500
  items N                answers the first N items only
  refuse HEX             answers every request with this error (8104: PUT/GET not permitted)
  optimised N,N          data blocks that are optimised; missing N,N: that there are not
  end N                  data blocks end after N bytes
  spoilt N,N             bytes of DB1: a read of one of them is refused as a whole (8500)
  state N                8 run, 4 stop, 0 not said
  fragment N, split N    answers in pieces of N bytes: ISO fragments, TCP segments
  fill                   a fill byte behind the last item, too
  bare                   confirms a connection without a TPDU size
  tsap HEX,HEX           takes these TSAPs only
  one_in N               late: only each Nth answer
  clear                  all of these off

  close, open            the port goes away, comes back
  connections N          the most connections; 0: no limit
  stats                  requests answered
  quit                   ends (as Ctrl-C and the end of the input do)""",
)

METER_COMMANDS = Words(
    """\
mute METER     这块表不应答（METER：12 位地址，或 *）
clear METER    又应答
stats          每块表应答了多少次
quit           结束""",
    """\
mute METER     that meter says nothing (METER: its twelve digits, or *)
clear METER    it answers again
stats          how often each answered
quit           the end""",
)

AGENT_COMMANDS = Words(
    """\
命令，每行一条，对这里的每个代理。ITEM 是数据项的 id，见 /probe。

  set ITEM VALUE         一个值；UNAVAILABLE 也可以
  fault ITEM CODE TEXT   一条报警；normal ITEM [CODE] 解除
  unavailable            机床在代理后面关机
  flood N                一次 N 个变化，让缓冲区溢出
  restart                代理重启
  mute、slow MS          不应答；晚 MS 毫秒应答
  nostream               不支持推送
  clear                  mute、slow、nostream 关掉
  quit                   结束（Ctrl-C、输入结束也一样）""",
    """\
Commands, one a line, for each agent here. ITEM is a data item's id, as in /probe.

  set ITEM VALUE         a value; UNAVAILABLE is one
  fault ITEM CODE TEXT   a condition; normal ITEM [CODE] clears it
  unavailable            the machine is switched off behind its agent
  flood N                N changes at once: the ring runs over
  restart                as when the agent's process starts again
  mute, slow MS          no answer; answers that come late
  nostream               refuses to stream
  clear                  mute, slow and nostream off
  quit                   the end (so are Ctrl-C and the end of the input)""",
)

ADAPTER_COMMANDS = Words(
    """\
命令，每行一条，对这里的每个适配器。KEY 是它说的键，例如 Xabs、system。

  set KEY VALUE          一个值；UNAVAILABLE 也可以
  fault KEY CODE TEXT    一条报警；normal KEY [CODE] 解除
  unavailable            机床关机
  mute                   不说话，也不答 PING；clear 恢复
  drop                   断开所有连接
  quit                   结束（Ctrl-C、输入结束也一样）""",
    """\
Commands, one a line, for each adapter here. KEY is one that it says, such as Xabs or system.

  set KEY VALUE          a value; UNAVAILABLE is one
  fault KEY CODE TEXT    a condition; normal KEY [CODE] clears it
  unavailable            the machine is switched off
  mute                   says nothing, and answers no PING; clear ends that
  drop                   cuts every connection
  quit                   the end (so are Ctrl-C and the end of the input)""",
)
