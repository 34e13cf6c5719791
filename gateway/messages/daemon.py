"""Texts about the daemon's life and its local control socket."""

from drivers.words import Message

TABLE = {
    "daemon.already_running": Message(
        "已有一个 jiahe 在运行（{path}）",
        "a jiahe is already running ({path})",
        "先停掉它：sudo systemctl stop jiahe",
        "Stop it first: sudo systemctl stop jiahe",
    ),
    "daemon.no_config": Message(
        "没有可用的配置，守护进程不启动",
        "there is no usable configuration; the daemon does not start",
        "改好上面列出的问题，再运行 jiahe check {path}",
        "Mend what is listed above, then run jiahe check {path}",
    ),
    "daemon.few_files": Message(
        "系统只允许打开 {limit} 个文件，需要 {needed} 个",
        "the system lets it open {limit} files only; it needs {needed}",
        "提高上限：服务单元里的 LimitNOFILE=，或 ulimit -n {needed}",
        "Raise the limit: LimitNOFILE= of the unit, or ulimit -n {needed}",
    ),
    "daemon.not_running": Message(
        "守护进程没有运行，或不是用这份配置启动的（{path} 无人应答）",
        "the daemon is not running, or was started with another file (nobody answers at {path})",
        "启动：sudo systemctl start jiahe；配置在别处时用 --config FILE。还是不行："
        "sudo journalctl -u jiahe -n 20",
        "Start it: sudo systemctl start jiahe; if its file is elsewhere, say --config FILE. If "
        "that is no help: sudo journalctl -u jiahe -n 20",
    ),
    "daemon.config_refused": Message(
        "守护进程没有运行：配置有 {count} 处错误，启动不了",
        "the daemon is not running: its configuration has errors ({count}), so it cannot start",
        "jiahe check {path}，改好后：sudo systemctl restart jiahe",
        "jiahe check {path}; once they are mended: sudo systemctl restart jiahe",
    ),
    "daemon.not_allowed": Message(
        "没有权限连接守护进程（{path}）",
        "you may not speak to the daemon ({path})",
        "请管理员执行：usermod -aG {group} {user}，然后重新登录",
        "An administrator may say: usermod -aG {group} {user}; then log in again",
    ),
    "daemon.not_allowed_root": Message(
        "没有权限连接守护进程（{path} 只属于 root）",
        "you may not speak to the daemon ({path} belongs to root alone)",
        "用 sudo 执行这条命令",
        "Run this command with sudo",
    ),
    "daemon.socket_failed": Message(
        "不能建立控制套接字 {path}：{error}",
        "the control socket {path} cannot be made: {error}",
        "检查目录是否存在、是否属于服务的用户",
        "Check that its directory is there and belongs to the service's user",
    ),
    "daemon.unknown_method": Message(
        "守护进程不认识请求 {method}",
        "the daemon knows no request {method}",
        "命令和守护进程版本不同：重启服务，sudo systemctl restart jiahe",
        "Command and daemon are of different versions: restart it, sudo systemctl restart jiahe",
    ),
    "daemon.bad_request": Message(
        "控制套接字收到看不懂的请求：{error}",
        "the control socket got a request that it does not understand: {error}",
    ),
    "daemon.too_many": Message(
        "同时连接守护进程的程序太多（上限 {limit}）",
        "too many programs speak to the daemon at once (limit {limit})",
        "关掉不用的 jiahe watch",
        "Close the jiahe watch that nobody looks at",
    ),
    "daemon.failed_request": Message(
        "守护进程处理 {method} 时出错：{error}",
        "the daemon failed at {method}: {error}",
        "详情在日志里：sudo journalctl -u jiahe",
        "Details are in the journal: sudo journalctl -u jiahe",
    ),
    "daemon.hung_up": Message(
        "守护进程中断了连接",
        "the daemon hung up",
        "它可能刚重启，再试一次；日志：sudo journalctl -u jiahe",
        "It may have restarted: try again; its journal: sudo journalctl -u jiahe",
    ),
    "daemon.part_failed": Message(
        "守护进程的 {part} 部分出错，即将重启",
        "a part of the daemon failed, it restarts: {part}",
        "数据在缓存里。反复出现时请报告日志：sudo journalctl -u jiahe",
        "Data is in the buffer. If it comes again, report the journal: sudo journalctl -u jiahe",
    ),
    "daemon.stuck": Message(
        "{part} {seconds} 秒没有动静：守护进程结束，由 systemd 重新启动",
        "{part} has not moved for {seconds} s: the daemon ends, and systemd starts it again",
        "数据在缓存里。反复出现时请报告日志：sudo journalctl -u jiahe",
        "Data is in the buffer. If it comes again, report the journal: sudo journalctl -u jiahe",
    ),
    "daemon.part_links": Message("链路 {links} 的采集线程", "the thread that reads link {links}"),
    "daemon.part_listener": Message(
        "等待设备拨入的线程", "the thread that takes in devices that dial in"
    ),
    "daemon.part_threads": Message("采集线程", "a thread that reads links"),
    "daemon.part_lookups": Message("查询主机名的线程", "the thread that looks host names up"),
    "daemon.part_seal": Message("数据块的封装", "the sealing of a block"),
    "daemon.part_beat": Message("定时封装", "the beat of the seals"),
    "daemon.part_loop": Message(
        "主循环（封装、缓存、上传、控制套接字）",
        "the main loop (sealing, buffer, uplink, control socket)",
    ),
    "daemon.part_buffer": Message("缓存", "the buffer"),
    "daemon.part_uplink": Message("上传", "the uplink"),
    "daemon.part_journal": Message("运行日志的记录", "what keeps the journal"),
    "daemon.os_error": Message(
        "操作 {path} 失败：{error}",
        "{path} failed: {error}",
        "检查路径是否存在、权限和磁盘空间",
        "Check that the path is there, its permissions, and the disk's space",
    ),
    "daemon.no_permission": Message(
        "没有权限使用 {path}",
        "{path} may not be used by this user",
        "正式运行：sudo systemctl start jiahe。不用 root 试用：在配置里把 [gateway] control 和 "
        '[buffer] path 写到自己的目录，例如 control = "control.sock"、path = "buffer"',
        "For good: sudo systemctl start jiahe. To try it without root, point [gateway] control and "
        '[buffer] path into a folder of your own, such as control = "control.sock", '
        'path = "buffer"',
    ),
    "daemon.config_changed": Message(
        "配置文件在启动后改过，尚未生效：{files}",
        "configuration files changed after the start, and are not in use yet: {files}",
        "sudo jiahe reload",
        "sudo jiahe reload",
    ),
    "daemon.reload_not_allowed": Message(
        "只有 root 能让守护进程采用新配置",
        "only root may have the daemon take a configuration up",
        "sudo jiahe reload",
        "sudo jiahe reload",
    ),
    "daemon.reload_same": Message(
        "配置没有改过，不需要重新加载", "the configuration has not changed: there is nothing to do"
    ),
    "daemon.reload_refused": Message(
        "新配置有 {count} 处错误，守护进程不采用，按原来的继续运行",
        "the new configuration has errors ({count}): the daemon goes on with the old one",
        "jiahe check，改好后再 sudo jiahe reload",
        "jiahe check; once they are mended: sudo jiahe reload",
    ),
    "daemon.reload_fixed": Message(
        "改了 {keys}：运行中不能更换，守护进程按原来的继续运行",
        "{keys} changed, which needs a restart: the daemon goes on as it was",
        "sudo systemctl restart jiahe",
        "sudo systemctl restart jiahe",
    ),
    "daemon.reload_not_back": Message(
        "守护进程 {seconds} 秒内没有用新配置启动起来",
        "the daemon did not come back with the new configuration within {seconds} s",
        "sudo journalctl -u jiahe -n 20",
        "sudo journalctl -u jiahe -n 20",
    ),
    "daemon.reloading": Message(
        "采用新配置：先完成正在进行的工作，再重新开始",
        "taking the new configuration up: ends in order, and begins anew",
    ),
    "daemon.scanning": Message(
        "第 {run} 次启动（轮次 {epoch}）：采集 {devices} 台设备",
        "run {run} (epoch {epoch}): scanning {devices} devices",
    ),
    "daemon.stop_late": Message(
        "停止用了 {seconds} 秒还没完成（磁盘没有响应），强行结束：内存里的数据丢失，记为缺口",
        "the stop is not done after {seconds} s (the disk does not answer): ended by force; what "
        "is in memory is lost, and told as a gap",
        "检查存储卡：sudo dmesg",
        "Check the card: sudo dmesg",
    ),
    "daemon.saved_first": Message(
        "出错部分之外的数据已先保存", "what was sampled before the failure was saved first"
    ),
    "daemon.acks_late": Message(
        "平台没有及时确认：其余数据写入磁盘",
        "the platform did not acknowledge in time: the rest goes to disk",
    ),
    "daemon.again": Message(
        "时好时坏（安稳 {calm}之前不再记）：{trouble}",
        "comes and goes (not logged again until it stays away for {calm}): {trouble}",
    ),
    "daemon.calm": Message(
        "已有 {calm}没有再出现（前后 {times} 次，共 {lasted}）：{trouble}",
        "stayed away for {calm} (came {times} times, {lasted} in all): {trouble}",
    ),
    "daemon.enough_lines": Message(
        "链路 {link} 这一小时的记录到此为止，现状见 jiahe status",
        "no more lines of link {link} this hour: see jiahe status for how it is",
    ),
    "daemon.over": Message(
        "问题已解除（持续 {lasted}）：{trouble}", "over: {trouble} (after {lasted})"
    ),
}
