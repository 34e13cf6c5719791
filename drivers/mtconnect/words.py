"""Texts of what is wrong with an MTConnect device: in its configuration, and in what its agent
says.
"""

from drivers.words import Message

WORDS = {
    "mtconnect.no_item": Message(
        "{target} 上没有 {count} 个标签的数据项，例如 {first}",
        "{target} has no data item for {count} tags, such as {first}",
        "浏览器打开 http://{target}/probe，address 写其中的 id 或 name；几台机床有同名数据项时写 "
        "机床名/name",
        "Open http://{target}/probe in a browser: address is an id or a name from there; where "
        "several machines have the same name, write machine/name",
    ),
    "mtconnect.not_an_agent": Message(
        "{target} 答的不是 MTConnect（{error}）",
        "what {target} answers is not MTConnect ({error})",
        "核对地址和端口：代理（agent）多在 5000；浏览器打开 http://{target}/probe 应是 XML",
        "Check address and port: agents are mostly on 5000; a browser should show XML at "
        "http://{target}/probe",
    ),
    "mtconnect.not_an_adapter": Message(
        "{target} 说的不是 SHDR（{error}）",
        "what {target} says is not SHDR ({error})",
        "核对地址和端口：采集程序（adapter）多在 7878；要连代理（agent）就删掉 framing",
        "Check address and port: adapters are mostly on 7878; for an agent take framing out",
    ),
    "mtconnect.endless": Message(
        "{target} 开始了一个多行资产（asset），却没有结束行：已有 {bytes} 字节",
        "{target} began an asset of several lines and never ended it: {bytes} bytes so far",
        "会重新连接；总是这样时，让采集程序（adapter）别发资产，或改正它的结束行",
        "It is connected to anew; where that goes on, have the adapter send no assets, or mend its "
        "last line",
    ),
    "mtconnect.refused": Message(
        "{target} 拒绝读取：{code} {text}",
        "{target} refuses to be read: {code} {text}",
        "浏览器打开 http://{target}/current，看代理（agent）说什么",
        "Open http://{target}/current in a browser and see what the agent says",
    ),
    "mtconnect.stale": Message(
        "{target} 说机床在线，但 {hours} 小时没有任何变化",
        "{target} says that the machine is there, and nothing of it for {hours} hours",
        "机床确实闲着就不用管；不然看采集程序（adapter）是不是卡住了，重启它",
        "If the machine rests, leave it; else its adapter may be stuck: restart it",
    ),
    "mtconnect.lost": Message(
        "代理的缓冲区溢出 {times} 次，最多丢失 {count} 个变化",
        "the agent's ring ran over {times} times: at most {count} changes were lost",
    ),
    "mtconnect.polled": Message(
        "代理不支持推送，改为按周期读取",
        "the agent does not stream: it is asked again and again",
    ),
    "mtconnect.link_type": Message(
        "MTConnect 要网络链路，不能是 {type}",
        "MTConnect takes a network link, not {type}",
        '链路写 type = "tcp"，address = "192.168.10.41:5000"',
        'Write type = "tcp" and address = "192.168.10.41:5000" on the link',
    ),
    "mtconnect.no_tls": Message(
        "MTConnect 链路还不能加密",
        "an MTConnect link can't be encrypted yet",
        "去掉链路的 tls",
        "Take tls from the link",
    ),
    "mtconnect.framing": Message(
        "MTConnect 没有帧格式 {framing}",
        "MTConnect has no framing {framing}",
        '代理（agent）删掉 framing；直接连采集程序（adapter）写 framing = "shdr"',
        'Take framing out for an agent; framing = "shdr" for an adapter',
    ),
    "mtconnect.framings": Message(
        "和“{other}”在同一条链路上，却一个连代理、一个连采集程序",
        "it is on one link with {other}, and one speaks to an agent, the other to an adapter",
        "各用一条链路，或两台都写（或都不写）framing",
        "Give each a link, or framing to both or to none",
    ),
    "mtconnect.type": Message(
        "MTConnect 的值不能是 {type}",
        "a value of MTConnect can't be {type}",
        "可选：{types}",
        "Choose from: {types}",
    ),
    "mtconnect.address_syntax": Message(
        "地址 {text} 看不懂",
        "the address {text} makes no sense",
        "写数据项的 id 或 name，例如 Xabs；多台机床写 VMC-1/Xabs；取其中一项写 path_pos[0]",
        "Write a data item's id or name, such as Xabs; of several machines VMC-1/Xabs; a part of "
        "it path_pos[0]",
    ),
    "mtconnect.address_aspect": Message(
        "地址 {text}：@ 后面只能是 time、code 或 text",
        "the address {text}: behind @ stands time, code or text",
        "例如 Xabs@time、system@code",
        "Such as Xabs@time, system@code",
    ),
    "mtconnect.equals_type": Message(
        "地址 {text} 问“是不是这个值”，类型不能是 {type}",
        "{text} asks whether it has this value, which can't be {type}",
        'type = "bool"；要读值本身就去掉 = 和后面的',
        'type = "bool"; to read the value itself, take = and what follows out',
    ),
    "mtconnect.time_type": Message(
        "地址 {text} 是机床的时间（1970 年以来的纳秒），类型不能是 {type}",
        "{text} is the machine's time in nanoseconds since 1970, which can't be {type}",
        'type = "int64"',
        'type = "int64"',
    ),
}
