"""Texts about the uplink, its certificates, and the clock.

`address` is the platform's, as configured.
"""

from drivers.words import Message

TABLE = {
    "uplink.over": Message(
        "平台连接恢复（中断 {lasted}）", "the uplink is up again (after {lasted})"
    ),
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
        "核对拼写：getent hosts {host} 应显示它的 IP。别的名称也查不到时是域名服务器不通："
        "resolvectl status；没有域名服务器就在 /etc/hosts 里写一行：IP {host}",
        "Check the spelling: getent hosts {host} should show its IP. If no other name is found "
        "either, the name server is out of reach: resolvectl status; where there is none, write a "
        "line in /etc/hosts: IP {host}",
    ),
    "uplink.tls": Message(
        "平台 {address} 的证书通不过检查，没有连接",
        "the certificate of the platform {address} does not pass the check; not connected",
        "多半是平台换了证书机构：请平台方给新的 CA 文件，放到 [platform] ca；也核对地址有没有写错。"
        "看它的证书是谁签的：openssl s_client -connect {address} </dev/null | openssl x509 -noout "
        "-issuer",
        "Usually the platform changed its authority: ask its people for the new CA file, for "
        "[platform] ca; check the address, too. Who signed its certificate: openssl s_client "
        "-connect {address} </dev/null | openssl x509 -noout -issuer",
    ),
    "uplink.tls_failed": Message(
        "与平台 {address} 的 TLS 握手失败",
        "the TLS handshake with the platform {address} failed",
        "把 jiahe uplink --json 里的原文（cause）交给平台方",
        "Give the raw words in jiahe uplink --json (cause) to the platform's people",
    ),
    "uplink.platform_expired": Message(
        "平台 {address} 的证书已过期，或还没有生效",
        "the certificate of the platform {address} has expired, or is not valid yet",
        "先用 date 核对网关时间；时间对就请平台方换证书",
        "Check this box's time first (date); if it is right, the platform's people must renew the "
        "certificate",
    ),
    "uplink.wrong_name": Message(
        "平台证书上的名称不是 {host}",
        "the platform's certificate is not for the name {host}",
        "[platform] address 写证书上的域名，或请平台方重签",
        "Write the name that stands in the certificate in [platform] address, or have the "
        "platform's people issue a new one",
    ),
    "uplink.not_tls": Message(
        "平台 {address} 没有加密（答的不是 TLS）",
        "the platform {address} is not encrypted (what it answers is no TLS)",
        "核对 [platform] address 的端口；请平台方打开 TLS",
        "Check the port in [platform] address; ask the platform's people to turn TLS on",
    ),
    "uplink.closed": Message(
        "平台 {address} 一连上就关闭了连接",
        "the platform {address} closed the connection at once",
        "多半是不接受本网关的证书（过期：jiahe check；机构不同 check 看不出，请平台方核对），"
        "或一方加密一方不加密",
        "Usually it does not accept this gateway's certificate (expired: jiahe check; of another "
        "authority: the check can't tell, ask the platform's people), or one side is encrypted and "
        "the other is not",
    ),
    "uplink.hung_up": Message(
        "平台 {address} 在握手中途断开",
        "the platform {address} hung up during the handshake",
        "自动重试，数据在缓存里。持续很久时联系平台方：服务可能没有就绪",
        "It is tried again by itself; data waits in the buffer. If it lasts, ask the platform's "
        "people: the service may not be ready",
    ),
    "uplink.not_connected": Message(
        "连不上平台 {address}",
        "no connection to the platform {address}",
        "自动重试，数据在缓存里。持续很久时把 jiahe uplink --json 里的原文（cause）交给平台方",
        "It is tried again by itself; data waits in the buffer. If it lasts, give the raw words in "
        "jiahe uplink --json (cause) to the platform's people",
    ),
    "certificate.missing": Message(
        "证书文件 {path} 不存在",
        "the certificate file {path} does not exist",
        "把文件放到那里，或改配置里的 ca、cert、key",
        "Put the file there, or change ca, cert and key in the configuration",
    ),
    "certificate.not_allowed": Message(
        "证书文件 {path} 没有权限读取",
        "the certificate file {path} may not be read",
        "sudo chgrp jiahe {path}；sudo chmod 640 {path}；上级文件夹也要能进入",
        "sudo chgrp jiahe {path}; sudo chmod 640 {path}; the folders above must be open to it, too",
    ),
    "certificate.unreadable": Message(
        "证书文件 {path} 读不了：{error}",
        "the certificate file {path} cannot be read: {error}",
        "检查文件和存储卡：ls -l、sudo dmesg",
        "Check the file and the card: ls -l, sudo dmesg",
    ),
    "certificate.open_key": Message(
        "私钥 {path} 本机的每个用户都能读：谁都能冒充这台网关",
        "every user of this computer may read the private key {path}, and pass for this box",
        "sudo chmod o-rwx {path}",
        "sudo chmod o-rwx {path}",
    ),
    "certificate.not_pem": Message(
        "{path} 里没有能用的 PEM 证书",
        "{path} holds no PEM certificate that can be used",
        "文件应有 -----BEGIN CERTIFICATE----- 开头的段；损坏就重新拷贝，DER 用 openssl x509 转换",
        "It should have a part that begins with -----BEGIN CERTIFICATE-----; copy it again if it "
        "was damaged, convert DER with openssl x509",
    ),
    "certificate.bad_key": Message(
        "{path} 不是能用的 PEM 私钥",
        "{path} is no PEM private key that can be used",
        "重新拷贝与证书成对的私钥；有密码的先去掉：openssl pkey",
        "Copy the key that goes with the certificate again; take a password off first: openssl "
        "pkey",
    ),
    "certificate.no_pair": Message(
        "{path} 与 {key_path} 不成对",
        "{path} and {key_path} are no pair",
        "证书和私钥要一起换：放入同一次签发的两个文件",
        "Certificate and key change together: put both files of one issue there",
    ),
    "certificate.expired": Message(
        "{path} 已于 {date} 过期",
        "{path} expired on {date}",
        "请签发方换新证书；先用 date 核对网关时间",
        "Have whoever issued it issue a new one; check this box's time first (date)",
    ),
    "certificate.not_yet": Message(
        "{path} 到 {date} 才生效",
        "{path} is not valid before {date}",
        "用 date 核对网关时间；时间对就请签发方重签",
        "Check this box's time (date); if it is right, have whoever issued it issue a new one",
    ),
    "certificate.soon": Message(
        "{path} 将于 {date} 过期，还有 {days} 天",
        "{path} expires on {date}, in {days} days",
        "现在就请签发方换新证书；放入新文件即可，不用重启",
        "Have whoever issued it issue a new one now; put the new files there, no restart is needed",
    ),
    "certificate.other_gateway": Message(
        "{path} 是给 {found} 的，不是 {expected}",
        "{path} is for {found}, not {expected}",
        "放入本网关的证书，或改 [gateway] id：两者必须完全相同",
        "Put this gateway's certificate there, or change [gateway] id: both must be equal",
    ),
    "certificate.kept": Message(
        "{why}；仍在用之前读入的证书",
        "{why}; the one that was read before is still in use",
        "放回能用的文件（jiahe check 会检查）：重启后旧证书就没有了",
        "Put a file there that can be used (jiahe check looks at it): after a restart the old one "
        "is gone",
    ),
    "uplink.permission": Message(
        "平台不允许本网关上传：{error}",
        "the platform does not admit this gateway: {error}",
        "[gateway] id 必须与证书里的完全相同（不要拷别的网关的证书），并请平台方登记",
        "[gateway] id must equal the one in the certificate (never copy another box's), and the "
        "platform's people must have registered it",
    ),
    "uplink.revoked": Message(
        "平台不允许本网关上传，证书已被吊销：{error}",
        "the platform does not admit this gateway, its certificate was revoked: {error}",
        "请平台方重新签发，换上 gateway.pem 和 gateway.key",
        "Have the platform's people issue a new one, and put its gateway.pem and gateway.key there",
    ),
    "uplink.cloned": Message(
        "平台上这个编号属于另一台机器，没有接受本机：{error}",
        "the platform knows another machine under this gateway's id, and did not take this one: "
        "{error}",
        "存储卡是复制来的：sudo systemctl stop jiahe；给这台换自己的 [gateway] id 和证书；"
        "sudo jiahe buffer keep；sudo systemctl start jiahe。"
        "本机是来替换那一台的，就关掉那一台，十分钟后自动接上。数据在缓存里，没有丢",
        "If the card was copied: sudo systemctl stop jiahe; give this box an id ([gateway] id) and "
        "a certificate of its own; sudo jiahe buffer keep; sudo systemctl start jiahe. If it "
        "replaces the other one, switch that off: after ten minutes this one is taken by itself. "
        "Its data wait on the box, nothing is lost",
    ),
    "uplink.refuses_all": Message(
        "平台（{platform}）什么都不收（{reason}）：{detail}",
        "the platform ({platform}) takes nothing ({reason}): {detail}",
        "数据都留在缓存里，平台升级或改正后自动补传；把 jiahe uplink --json 的内容交给平台方",
        "All data is kept in the buffer and is sent once the platform is mended or upgraded; give "
        "what jiahe uplink --json shows to the platform's people",
    ),
    "uplink.refused_blocks": Message(
        "平台（{platform}）有的块不收（{reason}）：{detail}",
        "the platform ({platform}) does not take some blocks ({reason}): {detail}",
        "这些块留在缓存里，平台升级后自动再传；把 jiahe uplink --json 的内容交给平台方",
        "They are kept in the buffer and tried again once the platform is upgraded; give what "
        "jiahe uplink --json shows to the platform's people",
    ),
    "uplink.message_limit": Message(
        "平台说一条消息最多 {bytes} 字节，协议规定至少要收 {least} 字节；已断开，什么都没有删除",
        "the platform says that it takes messages of {bytes} bytes at most; by the protocol it "
        "must take {least}: hung up, nothing was trimmed",
        "请平台方改接收端的 message_bytes_max（单位是字节），或升级它；数据在缓存里，没有丢",
        "Ask the platform's people to raise the receiver's message_bytes_max (it is in bytes), or "
        "to update it; data waits in the buffer, nothing is lost",
    ),
    "uplink.renewed": Message(
        "按计划重新连接平台", "the connection to the platform was renewed, as planned"
    ),
    "uplink.notice_clone": Message(
        "另一台机器（{address}）冒用本网关的编号连接平台，平台没有接受它：{detail}",
        "another machine ({address}) tried to speak under this gateway's id, and the platform "
        "refused it: {detail}",
        "本机照常工作。多半是存储卡被复制：给那一台换自己的 [gateway] id 和证书",
        "This box goes on. Usually a copied card: give the other box an id ([gateway] id) and a "
        "certificate of its own",
    ),
    "uplink.notice_taken_over": Message(
        "本机接替了原来用这个编号的机器（{address}）：{detail}",
        "this machine took the id over from another one ({address}): {detail}",
        "换过硬件就不用管；没有换过，就是有两台机器用同一编号",
        "If the hardware was replaced, nothing is to be done; else two machines share an id",
    ),
    "uplink.notice_lost": Message(
        "平台丢失了它已确认过的数据：{detail}",
        "the platform lost data that it had acknowledged: {detail}",
        "缓存里还有的已自动重传，其余记为缺口；请平台方检查存储和备份",
        "What the box still has is sent again by itself, the rest is told as gaps; the platform's "
        "people should look at its store and backups",
    ),
    "uplink.notice_certificate": Message(
        "平台提醒：本网关的证书快过期了：{detail}",
        "the platform says that this gateway's certificate expires soon: {detail}",
        "请签发方换新证书；放入新文件即可，不用重启",
        "Have whoever issued it issue a new one; put the new files there, no restart is needed",
    ),
    "uplink.notice": Message(
        "平台的通知：{detail}",
        "the platform says: {detail}",
    ),
    "uplink.unavailable": Message(
        "平台暂时不可用，它说：{error}",
        "the platform is not available for now; it says: {error}",
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
    "uplink.block_limit": Message(
        "平台说最多只收 {bytes} 字节的块，协议规定至少要收 {least} 字节；已断开，什么都没有删除",
        "the platform says that it takes blocks of {bytes} bytes at most; by the protocol it must "
        "take {least}: hung up, nothing was trimmed",
        "请平台方改接收端的 block_bytes_max（单位是字节），或升级它；数据在缓存里，没有丢",
        "Ask the platform's people to raise the receiver's block_bytes_max (it is in bytes), or to "
        "update it; data waits in the buffer, nothing is lost",
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
    "uplink.lost": Message(
        "与平台 {address} 的连接断了",
        "the connection to the platform {address} was lost",
        "自动重连；常断就检查 5G 信号",
        "It is opened again by itself; if it breaks often, check the 5G signal",
    ),
    "uplink.ended": Message(
        "平台 {address} 结束了连接",
        "the platform {address} ended the connection",
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
        "平台可能用了别的网关的备份，或两台网关用同一 id：联系平台方",
        "It may have been restored from another box's backup, or two boxes share an id: ask the "
        "platform's people",
    ),
    "budget.near": Message(
        "流量已用 {percent} %：{used}，上限 {budget}，{resets}重新计算；{forecast}",
        "{percent} % of the data budget is used: {used} of {budget}, counted anew {resets}; "
        "{forecast}",
        "用完后数据只存在缓存里。不够用就加大套餐和 data_budget，或少采：加大 every、"
        "deadband、send_every（jiahe check 会估算）",
        "When it is used up data waits in the buffer. If it is too little, buy more and raise "
        "data_budget, or read less: longer every, deadband, send_every (jiahe check "
        "forecasts it)",
    ),
    "budget.used_up": Message(
        "流量已用完（{used}，上限 {budget}，余下的留给确认和断开），暂停上传，{resets}自动恢复",
        "the data budget is used up ({used} of {budget}, the rest is kept for acknowledgements and "
        "the end of the connection): nothing is sent, it goes on by itself {resets}",
        "数据在缓存里，之后自动补传。要马上恢复：加大套餐和 data_budget，再 sudo jiahe reload",
        "Data waits in the buffer and is sent afterwards. To go on at once: buy more, raise "
        "data_budget, sudo jiahe reload",
    ),
    "budget.too_small": Message(
        "流量上限 {budget} 太小：等着上传的一块数据（连同测点说明）就要 {least}，"
        "永远发不出去，后面的也在等",
        "the data budget of {budget} is too small: one block that waits, with the description of "
        "its tags, takes {least}; it never goes, and others wait behind it",
        "把 data_budget 加大到 {least} 的几倍，再 sudo jiahe reload；数据在缓存里",
        "Raise data_budget to some times {least}, then sudo jiahe reload; data waits in the buffer",
    ),
    "budget.hung_up": Message("流量已用完，已断开", "the data budget is used up; hung up"),
    "budget.on": Message("{date} ", "on {date}"),
    "budget.within": Message("最多 {days} 天后", "within {days} days"),
    "budget.within_hours": Message("最多 {hours} 小时后", "within {hours} hours"),
    "budget.lasts": Message("照目前的用法够用", "at this rate it lasts"),
    "budget.too_early": Message(
        "刚开始计，还不知道够不够用", "it is too early to say whether it lasts"
    ),
    "budget.ends_in": Message(
        "照目前的用法 {hours} 小时后用完", "at this rate it is used up in {hours} hours"
    ),
    "clock.platform_implausible": Message(
        "平台说的时间 {time} 不可信，没有采用",
        "the platform's time, {time}, can't be right: it is not used",
        "请平台方校准服务器的时间；数据照常上传，时间戳标记为不确定",
        "The platform's people must set their server's clock; data goes on, its timestamps are "
        "marked uncertain",
    ),
    "clock.platform_differs": Message(
        "平台的时间 {time} 与本机已同步的时间相差 {seconds} 秒，没有采用",
        "the platform's time, {time}, is {seconds} s off this box's synchronised clock: it is not "
        "used",
        "请平台方校准服务器的时间；也核对本机的时间服务器：timedatectl",
        "The platform's people must set their server's clock; check this box's time server, too: "
        "timedatectl",
    ),
    "clock.last_known": Message(
        "时钟未同步：时间按上次断电前的时间估计，标记为不确定，同步后自动修正",
        "the clock is not synchronised: the time is estimated from what was known before the last "
        "power cut; timestamps are marked uncertain and mended afterwards",
        "看 timedatectl；NTP 没有打开就 sudo timedatectl set-ntp true。够不到时间服务器的，"
        "连上平台后按平台的时间",
        "See timedatectl; if NTP is off: sudo timedatectl set-ntp true. A box that reaches no time "
        "server takes the platform's time once it is connected",
    ),
    "clock.set_forward": Message(
        "系统时钟已拨到上次已知的时间 {time}",
        "the system clock was set forward to the last known time, {time}",
    ),
    "clock.not_set": Message(
        "不能设置系统时钟：{error}",
        "the system clock can't be set: {error}",
        "用 root 执行：sudo jiahe clock restore",
        "Run it as root: sudo jiahe clock restore",
    ),
    "clock.unknown": Message(
        "时钟未同步：时间戳标记为不确定，同步后自动修正",
        "the clock is not synchronised: timestamps are marked uncertain and mended afterwards",
        "看 timedatectl；NTP 没有打开就 sudo timedatectl set-ntp true。够不到时间服务器的，"
        "连上平台后按平台的时间",
        "See timedatectl; if NTP is off: sudo timedatectl set-ntp true. A box that reaches no time "
        "server takes the platform's time once it is connected",
    ),
}
