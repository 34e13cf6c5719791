"""Texts of the command line: what went wrong in it, its help, and the words of its tables."""

from drivers.words import Message

SAID = {
    "cli.usage": Message(
        "用法不对：{error}",
        "{error}",
        "查看用法：{program} --help",
        "See {program} --help",
    ),
    "cli.usage_prefix": Message("用法：", "usage: "),
    "cli.unknown_command": Message(
        "没有命令 {what}", "there is no command {what}", "可用：{known}", "There are: {known}"
    ),
    "cli.no_command": Message(
        "缺少命令", "a command is missing", "可用：{known}", "There are: {known}"
    ),
    "cli.unknown_argument": Message(
        "不认识 {what}", "{what} is unknown here", "用 -h 查看用法", "See -h"
    ),
    "cli.no_value": Message(
        "{what} 后面缺少值", "{what} wants a value", "用 -h 查看用法", "See -h"
    ),
    "cli.no_number": Message(
        "{what} 要一个整数", "{what} wants a whole number", "用 -h 查看用法", "See -h"
    ),
    "cli.unforeseen": Message(
        "程序出了意外：{error}",
        "something unforeseen happened: {error}",
        "详情在 {path}，请连同它一起报告",
        "Details are in {path}; please report it with that file",
    ),
    "cli.no_target": Message(
        "没有设备或标签“{target}”",
        "there is no device or tag {target}",
        "名称见 jiahe devices；写法：设备 或 设备.标签",
        "See jiahe devices for names; write DEVICE or DEVICE.TAG",
    ),
    "cli.too_many_rows": Message(
        "标签太多，一次最多看 {most} 个",
        "there are too many tags to watch: {most} at once",
        "指明设备，例如：jiahe watch {device}",
        "Name a device, such as: jiahe watch {device}",
    ),
    "cli.bad_every": Message(
        "--every-ms 不能是 {value}",
        "--every-ms cannot be {value}",
        "{low} 到 {high} 毫秒",
        "From {low} to {high} ms",
    ),
}

HELP = {
    "cli.description": Message(
        "嘉禾边缘网关：采集机床和机器人，断网不丢数据，经 5G 上传平台。只读，从不写设备。",
        "Jiahe edge gateway: reads machines, loses nothing in an outage, streams to the platform.\n"
        "It only reads: nothing here can write to a machine.",
    ),
    "cli.options": Message("选项", "options"),
    "cli.commands": Message("命令", "commands"),
    "cli.command": Message("命令", "COMMAND"),
    "cli.arguments": Message("参数", "arguments"),
    "cli.help_help": Message("显示帮助", "show this help"),
    "cli.help_config": Message(
        "配置文件（默认 JIAHE_CONFIG 或 /etc/jiahe/gateway.toml）",
        "configuration (default: JIAHE_CONFIG or /etc/jiahe/gateway.toml)",
    ),
    "cli.help_json": Message("输出一份 JSON", "one JSON document instead of words"),
    "cli.help_upgrade": Message(
        "用签名的升级包升级，不正常就装回旧版本",
        "upgrade by a signed bundle; put back unless it is well",
    ),
    "cli.help_bundle": Message(
        "升级包；不写：上一次升级怎么样了", "the bundle; left out: how the last one went"
    ),
    "cli.help_downgrade": Message("也装更旧的版本", "take an older version, too"),
    "cli.help_file": Message("要检查的配置文件", "the configuration to check"),
    "cli.help_verbose": Message("更多计数和学到的参数", "more counters, and what was learned"),
    "cli.help_target": Message("只看一台设备或一个标签", "one device or one tag only"),
    "cli.help_once": Message("只显示一次", "show it once"),
    "cli.help_every": Message("刷新间隔，毫秒", "milliseconds between two looks"),
    "cli.help_run": Message("运行守护进程（由 systemd 启动）", "the daemon; systemd runs this"),
    "cli.help_reload": Message(
        "让守护进程采用改过的配置；有错误时拒绝，原来的继续运行",
        "have the daemon take the changed configuration up; refused if it has errors",
    ),
    "cli.reloaded": Message(
        "已采用新配置：第 {run} 次启动，采集 {devices} 台设备",
        "the new configuration is in use: run {run}, scanning {devices} devices",
    ),
    "cli.help_check": Message(
        "检查配置：一次列出全部错误，再给出预测", "every mistake at once, then a forecast"
    ),
    "cli.help_status": Message("现在的情况，问题在前", "what is going on, warnings first"),
    "cli.help_links": Message("链路：串口和网络地址", "serial ports and network addresses"),
    "cli.help_devices": Message("设备：谁在应答", "devices: who answers"),
    "cli.help_buffer": Message("断网缓存", "what waits on the disk"),
    "cli.help_uplink": Message("到平台的连接", "the stream to the platform"),
    "cli.help_buffer_action": Message(
        "export：把缓存的块写到文件（U 盘），jiahe-ingest import 收；网关编号改过之后，"
        "keep：把旧编号的缓存移到旁边，drop：放弃（本编号的由下次运行报告为缺口）",
        "export: the blocks to a file (a USB stick) that jiahe-ingest import takes; after the "
        "gateway's id was changed, keep: move the old one's buffer aside, drop: give it up (of the "
        "own one the next run announces it)",
    ),
    "cli.help_clock": Message("时间从哪里来", "where the time comes from"),
    "cli.help_clock_restore": Message(
        "开机时由 root 执行：把系统时钟拨到上次断电前的时间",
        "run by root at boot: set the system clock forward to the last time that was known",
    ),
    "cli.help_watch": Message("实时数值，按 Ctrl-C 结束", "live values, until Ctrl-C"),
    "cli.help_profiles": Message("自带的设备模板", "the profiles that are shipped"),
    "cli.help_version": Message("版本", "version"),
}

WORDS = {
    "cli.days_hours": Message("{days} 天 {hours} 小时", "{days} d {hours} h"),
    "cli.days": Message("{days} 天", "{days} d"),
    "cli.hours": Message("{hours} 小时", "{hours} h"),
    "cli.hours_minutes": Message("{hours} 小时 {minutes} 分", "{hours} h {minutes} min"),
    "cli.minutes": Message("{minutes} 分", "{minutes} min"),
    "cli.seconds": Message("{seconds} 秒", "{seconds} s"),
    "cli.milliseconds": Message("{ms} 毫秒", "{ms} ms"),
    "cli.ago": Message("{age}前", "{age} ago"),
    "cli.never": Message("从未", "never"),
    "cli.since": Message("已 {age}", "for {age}"),
    "cli.link": Message("链路", "link"),
    "cli.links": Message("链路", "links"),
    "cli.target": Message("接口", "target"),
    "cli.state": Message("状态", "state"),
    "cli.busy": Message("占用", "busy"),
    "cli.requests": Message("请求", "requests"),
    "cli.timeouts": Message("超时", "timeouts"),
    "cli.damaged_answers": Message("损坏", "damaged"),
    "cli.errors": Message("错误", "errors"),
    "cli.device": Message("设备", "device"),
    "cli.devices": Message("设备", "devices"),
    "cli.unit": Message("站号", "unit"),
    "cli.last_good": Message("最近良好", "last good"),
    "cli.answer_ms": Message("应答毫秒", "answer ms"),
    "cli.tag": Message("标签", "tag"),
    "cli.tags": Message("标签", "tags"),
    "cli.value": Message("数值", "value"),
    "cli.age": Message("时间", "age"),
    "cli.quality": Message("质量", "quality"),
    "cli.profile": Message("模板", "profile"),
    "cli.driver": Message("驱动", "driver"),
    "cli.title": Message("名称", "title"),
    "cli.up": Message("正常", "up"),
    "cli.down": Message("断开", "down"),
    "cli.connecting": Message("连接中", "opening"),
    "cli.connected": Message("已连接", "connected"),
    "cli.waiting": Message("等待重试", "waiting"),
    "cli.paused": Message("流量用完，暂停", "paused, data budget used up"),
    "cli.good": Message("良好", "good"),
    "cli.partly": Message("部分", "partly"),
    "cli.silent": Message("不通", "silent"),
    "cli.starting": Message("启动中", "starting"),
    "cli.uncertain": Message("不确定", "uncertain"),
    "cli.bad": Message("坏", "bad"),
    "cli.platform": Message("平台", "platform"),
    "cli.buffer": Message("缓存", "buffer"),
    "cli.clock": Message("时钟", "clock"),
}

STATUS = {
    "cli.running": Message(
        "jiahe {version} 正在运行 {uptime}（第 {run} 次启动）  网关 {gateway}  {site}",
        "jiahe {version} running for {uptime} (run {run})  gateway {gateway}  {site}",
    ),
    "cli.more_warnings": Message("  还有 {count} 条：{commands}", "  and {count} more: {commands}"),
    "cli.and_more": Message("还有 {count} 条", "and {count} more"),
    "cli.devices_now": Message(
        "{count} 台  {good} 良好  {partly} 部分  {silent} 不通  共 {tags} 个标签",
        "{count}: {good} good, {partly} partly, {silent} silent; {tags} tags",
    ),
    "cli.platform_now": Message(
        "{state}  {address}  最近确认 {ack}", "{state}  {address}  last ack {ack}"
    ),
    "cli.backlog_now": Message(
        "{blocks} 块待传  占用 {size}，上限 {most}",
        "blocks to send: {blocks}; {size} kept, {most} at most",
    ),
    "cli.backlog_waits": Message("积压暂缓：流量比日子用得快", "held: data budget"),
    "cli.clock_unknown": Message("未同步", "not synchronised"),
    "cli.clock_system": Message(
        "已由系统同步，误差 {error} 毫秒", "synchronised by the system, within {error} ms"
    ),
    "cli.clock_platform": Message(
        "按平台时间，误差 {error} 毫秒", "by the platform's time, within {error} ms"
    ),
    "cli.link_more": Message(
        "此状态已 {since}；重连 {reconnects}，重试 {retries}，迟到 {late}，拒绝 {exceptions}",
        "so for {since}; reconnects {reconnects}, retries {retries}, late {late}, "
        "refused {exceptions}",
    ),
    "cli.listen_only": Message(
        "只听：请求和应答都是另一个主站的",
        "only listens: requests and answers are another master's",
    ),
    "cli.link_bytes": Message("收 {received}，发 {sent}", "received {received}, sent {sent}"),
    "cli.link_tls": Message(
        "加密：{version}，{cipher}；控制器证书：{peer}",
        "encrypted: {version}, {cipher}; the controller's certificate: {peer}",
    ),
    "cli.dialled_in": Message(
        "在 {target} 等 {register} 拨入；拨入者 {peer}；丢弃心跳和重复的注册包 {heartbeats}；"
        "拒绝的连接 {refused}",
        "waits on {target} for {register}; dialled in from {peer}; heartbeats and repeated "
        "registrations swallowed {heartbeats}; connections refused {refused}",
    ),
    "cli.stranger": Message(
        "{ago}有不认识的拨入（{peer}），它说：{said}  hex:{hex}",
        "{ago} a stranger dialled in ({peer}) and said: {said}  hex:{hex}",
    ),
    "cli.stranger_mute": Message(
        "{ago}有不认识的拨入（{peer}），什么也没说",
        "{ago} a stranger dialled in ({peer}) and said nothing",
    ),
    "cli.line_errors": Message(
        "线路错误：帧 {frame}，校验 {parity}，溢出 {overrun}",
        "line errors: frame {frame}, parity {parity}, overrun {overrun}",
    ),
    "cli.links_legend": Message(
        "占用：刚才一秒里总线忙的比例。损坏：校验（CRC）错误、格式错误或不是所问的应答。\n"
        "帧、校验错误多是波特率或校验不对；只有 CRC 错误多是接线。",
        "busy: share of the last second that the wire was in use. damaged: bad CRC or\n"
        "format, or not the answer asked for. Frame or parity errors mean wrong baud or\n"
        "parity; CRC errors alone mean wiring.",
    ),
    "cli.devices_legend": Message(
        "应答毫秒：中位数/最慢。错误：超时/损坏/拒绝的次数。",
        "answer ms: median/slowest. errors: timeouts/damaged/refused.",
    ),
    "cli.retry_in": Message("下次重试", "next try in"),
    "cli.last_ack": Message("最近确认", "last ack"),
    "cli.round_trip": Message("往返", "round trip"),
    "cli.sent": Message("已发", "sent"),
    "cli.resent": Message("重发块", "sent again"),
    "cli.acked": Message("已确认块", "acknowledged"),
    "cli.in_flight": Message("在途块", "in flight"),
    "cli.backlog": Message("待传块", "backlog"),
    "cli.rejected": Message("拒收块", "rejected"),
    "cli.connects": Message("连接次数", "connects"),
    "cli.budget": Message("流量", "data"),
    "cli.budget_now": Message(
        "已用 {used}，上限每{per} {budget}（{share}），{resets}重新计算",
        "{used} of {budget} a {per} ({share}), counted anew {resets}",
    ),
    "cli.per_day": Message("天", "day"),
    "cli.per_month": Message("月", "month"),
    "cli.budget_lasts": Message("还能用", "lasts"),
    "cli.budget_lasts_for": Message(
        "约 {lasts}（按本期平均）", "some {lasts}, at the average of this period"
    ),
    "cli.backlog_held": Message(
        "{blocks}（流量比日子用得快：先传新数据，积压的暂缓）",
        "{blocks} (waits: data is used faster than time goes by)",
    ),
    "cli.blocks_size": Message("{blocks} 块，{size}", "{blocks} blocks, {size}"),
    "cli.buffer_ok": Message("正常", "ok"),
    "cli.buffer_no_space": Message("磁盘空间不足，在丢弃", "short of disk space, dropping"),
    "cli.buffer_memory": Message("只在内存中", "in memory only"),
    "cli.on_disk": Message("磁盘上", "on disk"),
    "cli.of_size": Message(
        "{blocks} 块，{size}（上限 {most} 的 {share}）",
        "{blocks} blocks, {size} ({share} of {most})",
    ),
    "cli.in_memory": Message("内存中", "in memory"),
    "cli.oldest": Message("最早的数据块", "oldest block"),
    "cli.written": Message("已写", "written"),
    "cli.written_flushes": Message(
        "{size}，同步 {flushes} 次，最近一次晚 {lag} 毫秒",
        "{size} in {flushes} flushes, the last {lag} ms late",
    ),
    "cli.evicted": Message("已丢弃的块", "evicted blocks"),
    "cli.damaged": Message("损坏记录", "damaged records"),
    "cli.gaps": Message("缺口", "gaps"),
    "cli.noisy": Message("有干扰", "noisy"),
    "cli.counted": Message("计数", "counted"),
    "cli.counted_since": Message(
        "本次启动以来（{uptime}）；以前的缺口已报平台",
        "since this start ({uptime}); the platform was told earlier gaps",
    ),
}

GAPS = {
    "gap.overrun": Message("上一次未读完", "overrun"),
    "gap.device_silent": Message("设备不应答", "device silent"),
    "gap.link_down": Message("链路不通", "link down"),
    "gap.replanned": Message("请求或采集时刻在调整", "replanned"),
    "gap.memory_full": Message("内存满", "memory full"),
    "gap.evicted_oldest": Message("缓存满，丢最早", "evicted oldest"),
    "gap.refused_newest": Message("缓存满，丢最新", "refused newest"),
    "gap.expired": Message("超过保存期", "expired"),
    "gap.damaged": Message("磁盘记录损坏", "damaged"),
    "gap.crash": Message("异常中断", "crash"),
    "gap.rejected": Message("平台拒收", "rejected"),
    "gap.platform_lost": Message("平台丢失", "lost by the platform"),
    "gap.box_forgot": Message("网关已无记录", "forgotten by the box"),
    "gap.dropped": Message("人工放弃", "given up by hand"),
}

CHECK = {
    "cli.check_bad": Message(
        "发现 {count} 处错误，配置不能用", "Errors: {count}. This configuration is refused"
    ),
    "cli.check_good": Message(
        "配置正确：{files} 个文件，{links} 条链路，{devices} 台设备，{tags} 个标签",
        "The configuration is fine. Files: {files}, links: {links}, devices: {devices}, "
        "tags: {tags}",
    ),
    "cli.wire": Message("占用", "on the wire"),
    "cli.whole_round": Message("读一轮", "one round"),
    "cli.period": Message("周期", "period"),
    "cli.one_scan": Message("读一次", "one scan"),
    "cli.reachable": Message("实际能到", "reachable"),
    "cli.overloaded": Message(
        "链路 {link} 装不下：周期会变长，见“实际能到”；加大 every 或提高波特率",
        "link {link} cannot carry it: periods grow to what is reachable; raise every, or baud",
    ),
    "cli.nearly_full": Message(
        "链路 {link} 快满了：设备不应答时会跟不上",
        "link {link} is nearly full: a device that does not answer will delay the others",
    ),
    "cli.bytes_a_day": Message(
        "5G 流量每天约 {expected}，分 {sends} 次发送（数值像模拟设备那样变化）；"
        "数值不动时 {least}，每次都乱跳时 {most}",
        "5G traffic a day: about {expected} in {sends} messages, if values move as simulated ones "
        "do; {least} if none moves, {most} if all jump at every scan",
    ),
    "cli.and_alike": Message("{name} 等，另有 {more} 台一样", "{name} and {more} alike"),
    "cli.pushed_as_simulated": Message(
        '其中 {tags} 个标签的变化由设备推送（report = "change"），按模拟设备的每天 {count} 次估算；'
        "真设备多久变一次，事先不知道",
        'In that: {tags} tags whose changes are pushed (report = "change"), {count} a day as a '
        "simulated device pushes them; nobody knows before how often a real one does",
    ),
    "cli.pushed_left_out": Message(
        '流量里不含 {count} 个由设备推送的标签（report = "change"）：多久变一次，事先不知道',
        'Left out of that: {count} tags whose changes are pushed (report = "change"); nobody knows '
        "before how often they change",
    ),
    "cli.tiny_budget": Message(
        "流量上限 {budget}/{per} 太小：可能连一个大数据块都发不完；至少写 {least}",
        "data_budget, {budget} a {per}, is so small that one large block may never go; write "
        "{least} at least",
    ),
    "cli.over_budget": Message(
        "流量上限 {budget}/{per} 不够：至少要 {least}（按网关偏高的统计）；"
        "加大 every、deadband、send_every 或套餐",
        "data_budget, {budget} a {per}, is too little: it takes {least} at least (as the box "
        "counts, on the high side); raise every, deadband, send_every, or buy more",
    ),
    "cli.near_budget": Message(
        "流量上限 {budget}/{per} 可能不够：最多要 {most}（按网关偏高的统计）；看 jiahe uplink",
        "data_budget, {budget} a {per}, may be too little: it takes up to {most} (as the box "
        "counts, on the high side); see jiahe uplink",
    ),
    "cli.estimate": Message(
        "以上是按协议和假定的应答时间的估算；真实值：jiahe links",
        "These are estimates from the protocol and assumed answer times; jiahe links has real ones",
    ),
}

TABLE = {**SAID, **HELP, **WORDS, **STATUS, **GAPS, **CHECK}
