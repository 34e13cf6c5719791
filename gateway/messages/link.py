"""Texts about links. `target` is the serial device or the address, as configured."""

from drivers.words import Message

TABLE = {
    "link.about": Message("链路 {link}（{devices}）：{said}", "link {link} ({devices}): {said}"),
    "link.over": Message("恢复（中断 {lasted}）", "is up again (after {lasted})"),
    "link.refused": Message(
        "{target} 拒绝连接",
        "{target} refuses the connection",
        "机器在线，但这个端口没有服务：核对端口号（Modbus TCP 502，S7 102，MTConnect 代理多为 "
        "5000、采集程序（adapter）多为 7878），确认它启用了、在运行，且连接数没有用完",
        "The machine is there but nothing listens on that port: check the number (Modbus TCP 502, "
        "S7 102, MTConnect mostly 5000 of an agent and 7878 of an adapter), that the service is "
        "enabled or runs, and that its connections are not used up",
    ),
    "link.unreachable": Message(
        "到不了 {target}",
        "{target} cannot be reached",
        "检查网线、IP 和网段：ip -br addr 看网关自己的 IP（没有就是网口没接好），"
        "ip route get {host} 看怎么走，再 ping {host}",
        "Check cable, IP and subnet: ip -br addr shows this box's own addresses (none: its port "
        "is not connected), ip route get {host} the way there; then ping {host}",
    ),
    "link.no_name": Message(
        "{target}：名称 {host} 查不到地址",
        "{target}: the name {host} could not be looked up",
        "核对 address 的拼写：getent hosts {host} 应显示它的 IP。所有名称都查不到时是域名服务器"
        "不通：看 resolvectl status 或 cat /etc/resolv.conf。没有域名服务器就在 address 里写 IP",
        "Check how `address` is spelt: getent hosts {host} should show its IP. If no name at all "
        "is found, the name server is out of reach: see resolvectl status or cat /etc/resolv.conf. "
        "Where there is none, write the IP in address",
    ),
    "link.no_interface": Message(
        "{target}：没有网口 {interface}",
        "{target}: there is no network interface {interface}",
        "网口插好了吗？ip link 可以看到都有哪些；名称变了就改 address 里 % 后面的部分",
        "Is it plugged in? ip link shows what there is; if it has another name, mend what stands "
        "behind % in address",
    ),
    "link.reset": Message(
        "{target} 断开了连接",
        "{target} closed the connection",
        "正在重连。经常出现时：控制器可能只允许一个连接，或请求太快（加大 every 或 pause）",
        "Reconnecting. If it happens often, the controller may allow one connection only, or is "
        "asked too fast "
        "(raise every or pause)",
    ),
    "link.reset_asked": Message(
        "{target} 接受连接，但一问就断开",
        "{target} takes the connection, and hangs up whenever it is asked",
        '多半不是按它的帧格式问的：设备里写了 framing = "rtu" 就删掉；没写而后面是透传的'
        "串口服务器，就写上。再核对端口；控制器只允许一个连接时，关掉别的程序",
        "Mostly it is asked in another framing than its own: where the device says framing = "
        '"rtu", take that out; where it does not and a serial server passes bytes through, write '
        "it. Then check the port; a controller with one connection only wants other programs "
        "closed",
    ),
    "link.timeout": Message(
        "连接 {target} 超时，没有任何应答",
        "connecting to {target} timed out, nothing answers at all",
        "看 ip route get {host}：里面有 via，就是这个 IP 不在网关的网段里，核对两边的 IP 和掩码；"
        "没有 via，再 ping {host}：机器关机、网线断开、IP 写错，或中间有防火墙",
        "See ip route get {host}: with `via` in it the IP is of another subnet than this box, "
        "check address and mask of both; without, ping {host}: the machine is off, a cable is "
        "out, the IP is wrong, or there is a firewall",
    ),
    "link.garbage": Message(
        "{target} 发来的不是 Modbus 数据",
        "what {target} sends is not Modbus",
        '核对端口号和帧格式：串口服务器多要在设备里写 framing = "rtu"',
        "Check the port number and the framing: behind a serial server devices mostly want "
        'framing = "rtu"',
    ),
    "link.another_master": Message(
        "链路 {link}：总线上还有另一个主站在问（每 {every} 一次），两边会互相打断",
        "link {link}: another master asks on this bus (each {every}); the two disturb each other",
        "一条总线只留一个主站：停掉另一个，或在链路里写 listen_only = true，只听它的问答",
        "A bus has one master: stop the other one, or write listen_only = true on the link and "
        "only listen to it",
    ),
    "link.another_client": Message(
        "链路 {link}：还有别人在这条线上问（每 {every} 一次）；分不清是谁的应答的值记为不确定",
        "link {link}: somebody else asks on this line (each {every}); values that may be his are "
        "marked uncertain",
        "找出另一个主站或串口服务器的另一个客户端，只留一个在问；他走后一分钟自动恢复",
        "Find the other master, or the serial server's other client, and let one ask only; a "
        "minute after he is gone all is well again",
    ),
    "link.nothing_heard": Message(
        "{target} 上一个字节也没有听到",
        "not one byte is heard on {target}",
        "A/B 线要并接在总线上，没有接反；主站要在运行",
        "The wires A and B must join the bus, not swapped, and its master must run",
    ),
    "link.nothing_understood": Message(
        "{target} 上有数据，但听不懂主站的问答",
        "there are bytes on {target}, but no question and answer of a master among them",
        "波特率、校验要与主站一致；A/B 没有接反。RS-232 和四线 RS-422 只听得到一个方向",
        "Baud and parity must be the master's, A and B not swapped. On RS-232 and four wires only "
        "one direction is heard",
    ),
    "link.master_silent": Message(
        "{target} 上的主站不再读这些设备",
        "the master on {target} no longer reads these devices",
        "检查主站（PLC、触摸屏）是否在运行，总线是否断开",
        "Check that the master (PLC, panel) runs, and the bus",
    ),
    "link.tls_files": Message(
        "{target}：网关的证书文件不能用，没有连接",
        "{target}: this box's certificate files cannot be used; not connected",
        "jiahe check 会指出是哪个文件、怎么改；改好后自动连接，不用重启",
        "jiahe check says which file and how to mend it; then it connects by itself, without a "
        "restart",
    ),
    "link.tls_untrusted": Message(
        "{target} 的证书不是 tls 里的 ca 签发的，没有连接",
        "the certificate of {target} was not signed by the authority in `ca` of tls; not connected",
        "先确认这个地址真是那台控制器；是的话，把给它签发证书的 CA 文件放到 ca",
        "Make sure first that it is that controller; if so, put the CA file of whoever issued its "
        "certificate there",
    ),
    "link.tls_dates": Message(
        "{target} 的证书已过期或尚未生效，没有连接",
        "the certificate of {target} has expired, or is not valid yet; not connected",
        "先用 date 核对网关时间；时间对就给控制器换证书",
        "Check this box's time first (date); if it is right, the controller needs a new "
        "certificate",
    ),
    "link.tls_name": Message(
        "{target} 的证书不是给 {host} 的，没有连接",
        "the certificate of {target} is not for {host}; not connected",
        "核对 address 是不是那台控制器；是的话，address 写证书上的名称"
        "（在 /etc/hosts 里指到它的 IP），或重签证书，写入这个地址（SAN）",
        "Check that `address` is that controller; if so, write the name that stands in the "
        "certificate there (with a line in /etc/hosts), or have a certificate issued for this "
        "address (SAN)",
    ),
    "link.tls_weak": Message(
        "{target} 的证书或密钥太弱，没有连接",
        "the certificate or key of {target} is too weak; not connected",
        "给控制器换证书：RSA 2048 位以上或 ECDSA，SHA-256",
        "Give the controller a certificate with RSA of 2048 bits or more, or ECDSA, and SHA-256",
    ),
    "link.tls_refused": Message(
        "{target} 不接受网关的证书",
        "{target} does not accept this box's certificate",
        "在控制器上导入签发 tls 的 cert 的机构（CA），给它只读角色；"
        "再用 jiahe check 看证书是否过期",
        "Have the controller trust the authority that issued `cert` of tls, with a role that may "
        "read; jiahe check says whether it has expired",
    ),
    "link.tls_no_common": Message(
        "{target} 与网关没有共同的 TLS 版本或算法",
        "{target} and this box have no TLS version or cipher in common",
        "网关要求 TLS 1.2 以上：升级控制器固件，或在控制器上启用 TLS 1.2",
        "This box wants TLS 1.2 or later: update the controller's firmware, or enable TLS 1.2 on "
        "it",
    ),
    "link.tls_not": Message(
        "{target} 答的不是 TLS",
        "what {target} answers is no TLS",
        "核对端口：Modbus Security 多为 802，普通 Modbus 为 502。控制器没有加密就删掉 tls",
        "Check the port: Modbus Security is mostly 802, plain Modbus 502. If the controller does "
        "not encrypt, take tls out",
    ),
    "link.tls_hung_up": Message(
        "{target} 在 TLS 握手时断开",
        "{target} hung up during the TLS handshake",
        "多半是这个端口没有加密（Modbus Security 多为 802），"
        "或控制器不接受网关的证书（看控制器的日志）",
        "Mostly that port is not encrypted (Modbus Security is mostly 802), or the controller does "
        "not accept this box's certificate (see its log)",
    ),
    "link.tls_timeout": Message(
        "{target} 接受连接，但 TLS 握手没有按时完成",
        "{target} takes the connection, but the TLS handshake did not end in time",
        "多半是这个端口没有加密（Modbus Security 多为 802）。慢的小控制器：加大链路的 timeout",
        "Mostly that port is not encrypted (Modbus Security is mostly 802). For a small, slow "
        "controller raise `timeout` of the link",
    ),
    "link.tls_failed": Message(
        "与 {target} 的 TLS 连接失败：{error}",
        "TLS with {target} failed: {error}",
        "查看控制器的日志；也可以试：openssl s_client -connect {target}",
        "See the controller's log; or try: openssl s_client -connect {target}",
    ),
    "link.tls_kept": Message(
        "链路 {link}：证书文件换过，但新的不能用；仍在用之前读入的",
        "link {link}: its certificate files changed and cannot be used; those that were read "
        "before are still in use",
        "jiahe check 会指出是哪个文件；重启后旧证书就没有了",
        "jiahe check says which file; after a restart the old ones are gone",
    ),
    "link.nobody_dialled_in": Message(
        "还没有 DTU 拨入 {target}",
        "no DTU has dialled in on {target} yet",
        "检查 DTU：电源、SIM 卡和信号、服务器地址和端口；再看中间的防火墙是否放行",
        "Check in the DTU: power, SIM card and signal, server address and port; then whether a "
        "firewall in between lets it through",
    ),
    "link.nobody_dialled_in_as": Message(
        "还没有 DTU 以 {register} 拨入 {target}",
        "no DTU has dialled in on {target} as {register} yet",
        "检查 DTU：电源、SIM 卡和信号、服务器地址和端口、注册包；再看中间的防火墙是否放行",
        "Check in the DTU: power, SIM card and signal, server address and port, registration "
        "packet; then whether a firewall in between lets it through",
    ),
    "link.stranger_dialled_in": Message(
        "没有 DTU 以 {register} 拨入 {target}，但 {seconds} 秒前 {peer} 拨入并说 {said}",
        "no DTU is dialled in on {target} as {register}, but {seconds} s ago {peer} dialled in "
        "and said {said}",
        '如果就是这台（例如换过 DTU），改配置：register = "hex:{hex}"（它说的全部内容，可能带着'
        "心跳），或在 DTU 里改注册包；不认识就用防火墙挡住",
        'If that is the one (a DTU that was swapped), write register = "hex:{hex}" (all that it '
        "said, perhaps with a heartbeat), or set the packet in the DTU; if you don't know it, shut "
        "it out by a firewall",
    ),
    "link.mute_dialled_in": Message(
        "没有 DTU 以 {register} 拨入 {target}；{seconds} 秒前 {peer} 拨入，但没有说注册包",
        "no DTU is dialled in on {target} as {register}; {seconds} s ago {peer} dialled in and did "
        "not say who it is",
        "如果就是这台，在 DTU 里打开注册包：连接时发送 {register}",
        "If that is the one, switch its registration packet on: sent on connecting, {register}",
    ),
    "link.contested": Message(
        "有两个连接轮流以 {register} 拨入 {target}，互相顶替：{peers}",
        "two connections dial in on {target} as {register} and take it from each other: {peers}",
        "多半是两台 DTU 用了同一个注册包：给其中一台改注册包，在配置里给它另写一个链路；查清之前，"
        "数值可能来自任何一台。只有一台时，看它是不是把主、备两个服务器都填成了网关",
        "Mostly two DTUs with one registration packet: give one of them another and a link of its "
        "own; until then the values may be of either. If there is only one, look whether its main "
        "and its backup server are both this box",
    ),
    "link.hung_up": Message(
        "DTU（{peer}）{seconds} 秒前断开，还没有再拨入 {target}",
        "the DTU ({peer}) hung up {seconds} s ago and has not dialled in again on {target}",
        "多半是 4G 信号或 DTU 断电；它会自己重拨，拨入后自动恢复。经常断开时检查天线和流量卡",
        "Mostly 4G or its power: it dials again by itself, and reading goes on. If it happens "
        "often, check antenna and SIM card",
    ),
    "link.dialled_silent": Message(
        "DTU（{peer}）再没有任何消息，{seconds} 秒前放弃了它的连接，等它重新拨入 {target}",
        "nothing more was heard of the DTU ({peer}): its connection was given up {seconds} s ago, "
        "it may dial in again on {target}",
        "检查 DTU 的电源和 4G 信号；在 DTU 里打开心跳包，掉线会更早发现",
        "Check its power and its 4G; switch its heartbeat on, then a loss is noticed earlier",
    ),
    "link.listen_in_use": Message(
        "端口 {port} 正被另一个程序占用，DTU 拨不进 {target}",
        "port {port} is in use by another program: no DTU can dial in on {target}",
        "找出并停掉它：sudo ss -ltnp 'sport = :{port}'，或改 listen 的端口",
        "Find it and stop it: sudo ss -ltnp 'sport = :{port}', or take another port in listen",
    ),
    "link.listen_elsewhere": Message(
        "{target} 不是本机的地址，DTU 拨不进来",
        "{target} is no address of this box: no DTU can dial in",
        "写本机的地址（ip addr 可以看到），或 0.0.0.0。网卡起来后会自动恢复",
        "Write an address of this box (ip addr shows them), or 0.0.0.0. It goes on by itself once "
        "the network is there",
    ),
    "link.listen_failed": Message(
        "不能在 {target} 监听：{error}",
        "cannot listen on {target}: {error}",
        "端口 {port} 小于 1024 时需要权限：换一个大的端口",
        "A port below 1024 wants a privilege: take a higher one than {port}",
    ),
    "link.silent": Message(
        "{target} 上没有设备应答（{before}）",
        "no device on {target} answers ({before})",
        "先查总线，再查设备：转换器（或 DTU 后面的 485）、A/B 是否接反或断开、终端电阻、"
        "波特率和校验；然后是设备电源、站号（unit；电能表是表号 meter）",
        "Look at the bus before the devices: the adapter (or the RS-485 behind the DTU), A and B "
        "swapped or broken, termination, baud and parity; then power and unit numbers (of a "
        "DL/T 645 meter its address, meter)",
    ),
    "link.silent_tcp": Message(
        "连接 {target} 已通，但所有设备都不应答（{before}）",
        "the connection to {target} is up, but no device answers ({before})",
        '先核对帧格式（透传的串口服务器后面，设备里写 framing = "rtu"，否则不写），'
        "再查串口服务器后面的总线：A/B、终端电阻、波特率和校验；直连控制器时核对站号"
        "（unit，常为 1 或 255）",
        'Check the framing first (framing = "rtu" on the devices where a serial server passes '
        "bytes through, else none), then the bus behind it: A and B, termination, baud and "
        "parity; of a controller itself, the unit numbers (often 1 or 255)",
    ),
    "link.mute": Message(
        "{target} 接受连接，但什么也不说",
        "{target} takes the connection, and says nothing",
        "核对 {target} 是不是这台设备、端口对不对；对的话，多半是它在启动、停机，或连接数用完："
        "重启它试试",
        "Check that {target} is that device, and the port; if so, it is starting, stopped, or out "
        "of connections: restart it",
    ),
    "link.silent_host": Message(
        "连接 {target} 已通但不应答（{before}）",
        "the connection to {target} is up, but it does not answer ({before})",
        "核对 {target} 是不是这台设备、端口对不对；对的话，多半是它在启动、停机，或连接数用完："
        "重启它试试",
        "Check that {target} is that device, and the port; if so, it is starting, stopped, or out "
        "of connections: restart it",
    ),
    "link.silent_meters": Message(
        "连接 {target} 已通但不应答（{before}）",
        "the connection to {target} is up, but it does not answer ({before})",
        "核对表号 meter（照铭牌写 12 位；线上只有一块表时删掉 meter 就读得到），"
        "再查串口服务器或 DTU 的波特率和校验（电能表多为 2400、偶校验）、A/B",
        "Check meter (the twelve digits on its plate; the only meter on a line is read without "
        "it), then baud and parity of the serial server or DTU (meters mostly have 2400, even), A "
        "and B",
    ),
    "link.silent_alone": Message(
        "连接 {target} 已通但不应答（{before}）",
        "the connection to {target} is up, but it does not answer ({before})",
        '核对站号（unit，常为 1 或 255）和帧格式（透传的串口服务器后面，设备里写 framing = "rtu"，'
        "否则不写）；后面是串口设备的，再查串口服务器的波特率和校验",
        "Check the unit number (often 1 or 255) and the framing (framing = "
        '"rtu" on the device where a serial server passes bytes through, else none); of a device '
        "behind a serial server, that server's baud and parity, too",
    ),
    "link.silent_alone_since": Message(
        "连接 {target} 已通但不应答（{before}）",
        "the connection to {target} is up, but it does not answer ({before})",
        "多半是控制器停机或正在重启；后面是串口设备的，查那台的电源和接线",
        "Usually the controller was stopped or restarts; of a device behind a serial server, look "
        "at its power and wiring",
    ),
    "link.silent_damaged": Message(
        "{target} 上收到的应答都是坏的（{before}）",
        "all answers on {target} arrive damaged ({before})",
        "从未正常过：波特率、校验与设备面板核对，再查 A/B；之前正常：查 A/B、屏蔽层、终端电阻，"
        "旁边新装的变频器",
        "If it never worked: compare baud and parity with the devices' panels, then A and B; if it "
        "did: A and B, shield, termination, a new drive close by",
    ),
    "link.silent_stranger": Message(
        "{target} 上有应答，但不是配置的站号（{before}）",
        "something answers on {target}, but not as the units that are configured ({before})",
        "核对设备面板上的站号，改 unit；也可能总线上还有另一个主站",
        "Compare the unit numbers with the devices' panels and mend unit; or another master is on "
        "the bus",
    ),
    "link.heartbeat": Message(
        "链路 {link}：对方约每 {every} 发来一次 {said}，不是应答：像是 DTU 或串口服务器的心跳包",
        "link {link}: it says {said} about each {every}, which answers nothing: it looks like the "
        "heartbeat of a DTU or serial server",
        '写在 [links.{link}] 下面，收到就会丢弃：heartbeat = "{said}"；或在 DTU 里关掉心跳包',
        'Write under [links.{link}], and it is swallowed: heartbeat = "{said}"; or switch it off '
        "in the DTU",
    ),
    "link.fine_before": Message("{age}前还正常", "fine {age} ago"),
    "link.never_before": Message("启动以来从未正常", "never since the start"),
    "link.noisy_lost": Message(
        "链路 {link}：最近 {percent} % 的应答损坏，有的重问后也读不到",
        "link {link}: {percent} % of the answers lately were damaged; not all could be read by "
        "asking again",
        "查屏蔽层、终端电阻、A/B、波特率和校验，旁边的变频器",
        "Check shield, termination, A and B, baud and parity, a drive close by",
    ),
    "link.noisy_dtu": Message(
        "链路 {link}：最近 {percent} % 的应答损坏",
        "link {link}: {percent} % of the answers lately were damaged",
        '先看 DTU 的心跳包：它发的字节会混进应答里，链路里写上就会丢弃，例如 heartbeat = "hex:fe" '
        '或 heartbeat = "text:PING"；没有心跳的，查 DTU 后面的 485：屏蔽层、终端电阻、A/B',
        "Look first whether the DTU sends a heartbeat: its bytes fall among the answers, and are "
        'swallowed once the link says them, such as heartbeat = "hex:fe" or heartbeat = '
        '"text:PING"; if it sends none, look at the RS-485 behind it: shield, termination, A and B',
    ),
    "link.noisy": Message(
        "链路 {link}：最近 {percent} % 的应答损坏，重问后读到",
        "link {link}: {percent} % of the answers lately were damaged, and read by asking again",
        "查屏蔽层、终端电阻、A/B，旁边的变频器：再坏下去就会丢数据",
        "Check shield, termination, A and B, a drive close by: if it gets worse, data is lost",
    ),
}
