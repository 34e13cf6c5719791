"""Texts about the uplink and the clock. `address` is the platform's, as configured."""

from gateway.messages.message import Message

TABLE = {
    "uplink.refused": Message(
        "平台 {address} 拒绝连接",
        "the platform {address} refuses the connection",
        "平台服务没有运行或端口不对：核对 [platform] address，联系平台方",
        "The service is not running or the port is wrong: check [platform] address, ask the "
        "platform's people",
    ),
    "uplink.unreachable": Message(
        "到不了平台 {address}",
        "the platform {address} cannot be reached",
        "检查 5G：信号、SIM 卡是否欠费、APN；数据在缓存里，恢复后自动补传",
        "Check 5G: signal, the SIM card's credit, the APN. Data waits in the buffer and is sent "
        "afterwards",
    ),
    "uplink.dns": Message(
        "查不到平台的域名 {address}",
        "the platform's name {address} cannot be resolved",
        "核对拼写；检查 DNS：resolvectl query，或先改用 IP 地址",
        "Check the spelling and the DNS (resolvectl query), or use the IP address for now",
    ),
    "uplink.tls": Message(
        "与平台的 TLS 握手失败：{error}",
        "the TLS handshake with the platform failed: {error}",
        "多半是平台换了证书机构（请对方给新的 CA 文件），或本机时钟不对（date）",
        "Usually the platform changed its authority (ask for the new CA file), or this box's "
        "clock is wrong (date)",
    ),
    "uplink.certificate": Message(
        "证书文件不能用：{error}",
        "the certificate files cannot be used: {error}",
        "核对 [platform] 的 ca、cert、key：文件存在、可读、成对、没有过期",
        "Check ca, cert and key of [platform]: there, readable, a pair, not expired",
    ),
    "uplink.permission": Message(
        "平台不允许本网关上传：{error}",
        "the platform does not admit this gateway: {error}",
        "[gateway] id 必须与证书里的完全相同（不要拷别的盒子的证书），并请平台方登记",
        "[gateway] id must equal the one in the certificate (never copy another box's), and the "
        "platform's people must have registered it",
    ),
    "uplink.rejects_all": Message(
        "平台连续拒收了 {blocks} 个块，已断开，过一会儿再试",
        "the platform rejected {blocks} blocks in a row; hung up, to try again later",
        "把 jiahe buffer --json 的内容交给平台方：多半是两边版本不同",
        "Give what jiahe buffer --json shows to the platform's people: versions probably differ",
    ),
    "uplink.unavailable": Message(
        "平台暂时不可用：{error}",
        "the platform is not available for now: {error}",
        "自动重试，数据在缓存里。持续很久时联系平台方",
        "It is tried again by itself; data waits in the buffer. If it lasts, ask the platform's "
        "people",
    ),
    "uplink.version": Message(
        "平台的协议版本 {version} 与本软件不兼容",
        "the platform speaks protocol version {version}, which this software does not",
        "升级 jiahe 或平台的接收端",
        "Upgrade jiahe or the platform's receiver",
    ),
    "uplink.paused": Message(
        "平台要求暂停上传",
        "the platform asked to pause sending",
        "数据在缓存里。暂停很久时联系平台方",
        "Data waits in the buffer. If the pause lasts, ask the platform's people",
    ),
    "uplink.broken": Message(
        "与平台的连接中断：{error}",
        "the connection to the platform broke: {error}",
        "自动重连",
        "It is opened again by itself",
    ),
    "uplink.silent": Message(
        "平台 {seconds} 秒没有回应，正在重连",
        "the platform said nothing for {seconds} s; connecting again",
        "链路看似正常却不通：检查 5G 信号和 NAT 超时",
        "The line looks up but carries nothing: check the 5G signal and NAT time-outs",
    ),
    "uplink.claims_unsent": Message(
        "平台声称收到了从未发送的块，已拒绝这次连接，什么都没有删除",
        "the platform claims blocks that were never sent; the stream was refused and nothing "
        "was trimmed",
        "平台可能用了别的盒子的备份，或两台盒子用同一 id：联系平台方",
        "It may have been restored from another box's backup, or two boxes share an id: ask the "
        "platform's people",
    ),
    "clock.unknown": Message(
        "时钟未同步：时间戳标记为不确定，同步后自动修正",
        "the clock is not synchronised: timestamps are marked uncertain and mended afterwards",
        "检查 chrony 或 systemd-timesyncd：timedatectl",
        "Check chrony or systemd-timesyncd: timedatectl",
    ),
}
