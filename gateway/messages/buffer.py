"""Texts about the buffer."""

from drivers.words import Message

TABLE = {
    "buffer.disk_failed": Message(
        "写盘失败（{error}）：数据暂存内存，断电会丢失",
        "writing to the disk failed ({error}): data is kept in memory, a power cut would lose it",
        "检查存储卡：sudo dmesg。恢复后自动写回",
        "Check the card: sudo dmesg. It is written again by itself once the disk works",
    ),
    "buffer.read_only": Message(
        "磁盘 {path} 变成了只读：数据只在内存里，断网久了会丢，断电会丢失",
        "the disk of {path} became read-only: data is in memory alone, a power cut or a long "
        "outage would lose it",
        "存储出错时系统会这样做。看原因：sudo dmesg | grep -i -e ext4 -e mmc；"
        "重启会检查并修复：sudo reboot；再变只读就更换存储卡",
        "The system does so after an error of the storage. See why: sudo dmesg | grep -i -e ext4 "
        "-e mmc; a restart checks and mends it: sudo reboot; if it comes back, replace the card",
    ),
    "buffer.disk_hangs": Message(
        "磁盘 {seconds} 秒没有响应：数据暂存内存，断电会丢失",
        "the disk has not answered for {seconds} s: data is kept in memory, a power cut would lose "
        "it",
        "检查存储卡：sudo dmesg。恢复后自动写回；不恢复就更换存储卡",
        "Check the card: sudo dmesg. It is written by itself once the disk answers; replace the "
        "card if it does not",
    ),
    "buffer.disk_full": Message(
        "磁盘 {path} 写满了：数据暂存内存，断电会丢失",
        "the disk of {path} is full: data is kept in memory, a power cut would lose it",
        "清理磁盘：df -h {path}、sudo du -xh / | sort -h | tail。有空间后自动写回",
        "Clear the disk: df -h {path}, sudo du -xh / | sort -h | tail. It is written again by "
        "itself once there is room",
    ),
    "buffer.no_space": Message(
        "磁盘空间不足：{path} 只剩 {free}，已丢弃 {blocks} 个块，记为缺口",
        "the disk is short of space: {path} has {free} left; {blocks} blocks were dropped, and "
        "announced as gaps",
        "别的程序占满了磁盘，清理它：df -h {path}、sudo du -xh / | sort -h | tail；"
        "加大 max_size 没有用",
        "Other programs filled the disk, clear it: df -h {path}, sudo du -xh / | sort -h | tail; "
        "a larger max_size is no help",
    ),
    "buffer.no_space_before": Message(
        "磁盘空间曾经不足：{path} 已丢弃 {blocks} 个块，记为缺口，现在够了",
        "the disk was short of space: {blocks} blocks of {path} were dropped, and announced as "
        "gaps; it has room again",
        "找出占满磁盘的程序：sudo du -xh / | sort -h | tail；加大 max_size 没有用",
        "Find what filled the disk: sudo du -xh / | sort -h | tail; a larger max_size is no help",
    ),
    "buffer.memory_full": Message(
        "写不了盘时内存也放满了：已丢弃 {blocks} 个块，记为缺口",
        "memory filled up while the disk could not be written: {blocks} blocks were dropped, and "
        "announced as gaps",
        "先让磁盘恢复：df -h、sudo dmesg",
        "Get the disk back first: df -h, sudo dmesg",
    ),
    "buffer.expired": Message(
        "{blocks} 个块超过了保存期限，已丢弃，记为缺口",
        "{blocks} blocks grew older than they are kept; they were dropped, and announced as gaps",
        "先恢复平台连接（jiahe uplink）；需要存更久就加大 [buffer] keep_for",
        "Get the uplink back first (jiahe uplink); to keep them longer, raise [buffer] keep_for",
    ),
    "buffer.full": Message(
        "缓存已满：已丢弃 {blocks} 个块，记为缺口",
        "the buffer is full: {blocks} blocks were dropped, and announced as gaps",
        "先恢复平台连接（jiahe uplink）；断网常超过缓存时间就加大 [buffer] max_size",
        "Get the uplink back first (jiahe uplink); if outages last longer than the buffer, raise "
        "[buffer] max_size",
    ),
    "buffer.near": Message(
        "缓存已用 {percent} %，{forecast}",
        "{percent} % of the buffer is used: {forecast}",
        "先恢复平台连接（jiahe uplink）",
        "Get the uplink back first (jiahe uplink)",
    ),
    "buffer.near_connected": Message(
        "缓存已用 {percent} %，平台连着但传得没有采得快，{forecast}",
        "{percent} % of the buffer is used, and the platform takes less than is read: {forecast}",
        "看 jiahe uplink：流量预算（data_budget）暂缓了积压就加大它；"
        "网络慢就少采：加大 every、deadband",
        "See jiahe uplink: if the data budget holds the backlog back, raise it; if the network is "
        "slow, read less: longer every, deadband",
    ),
    "buffer.full_in": Message(
        "按现在的速度约 {time}后开始{drops}", "at this rate it drops {drops} in about {time}"
    ),
    "buffer.full_then": Message("满了就{drops}", "once full, it drops {drops}"),
    "buffer.drops_oldest": Message("丢最早的数据", "the oldest data"),
    "buffer.drops_newest": Message("丢新采的数据", "what is newly read"),
    "buffer.disk_near": Message(
        "磁盘只剩 {free}（{path}），低于 {floor} 就丢最早的数据",
        "only {free} are left on the disk of {path}; below {floor} the oldest data is dropped",
        "别的程序快占满了磁盘，清理它：df -h {path}、sudo du -xh / | sort -h | tail",
        "Other programs are filling the disk, clear it: df -h {path}, sudo du -xh / | sort -h | "
        "tail",
    ),
    "buffer.disk_near_newest": Message(
        "磁盘只剩 {free}（{path}），写满后新数据只在内存里，放不下就丢（给别人留 {floor}）",
        "only {free} are left on the disk of {path} ({floor} are meant for others); once it is "
        "full, new data stays in memory, and is dropped when that is full",
        "别的程序快占满了磁盘，清理它：df -h {path}、sudo du -xh / | sort -h | tail",
        "Other programs are filling the disk, clear it: df -h {path}, sudo du -xh / | sort -h | "
        "tail",
    ),
    "buffer.damaged": Message(
        "缓存中有 {records} 条记录损坏，已跳过，记为缺口",
        "{records} records in the buffer are damaged; they were skipped and announced as gaps",
        "多半是存储卡老化或断电：备份后更换存储卡",
        "Usually a worn card or a power cut: back up and replace the card",
    ),
    "buffer.state_lost": Message(
        "缓存的状态文件 state 读不出来：上次停机前没报完的缺口可能没有报告",
        "the buffer's file 'state' can't be read: gaps that the last run still had to announce may "
        "not be announced",
        "多半是存储卡坏了：备份后更换存储卡；用 jiahe-ingest audit 核对",
        "Usually a broken card: back up and replace it; check with jiahe-ingest audit",
    ),
    "buffer.unclean_end": Message(
        "上次没有正常结束（约 {when}）：丢失不超过 {seconds} 秒，记为缺口",
        "the last run ended badly (about {when}): at most {seconds} s lost, told as a gap",
    ),
    "buffer.rejected": Message(
        "{blocks} 个块与平台已有的内容冲突，或本身损坏，已另存，不会重发",
        "{blocks} blocks are set aside, not sent again: the platform holds another content under "
        "their names, or they are damaged",
        "把 jiahe buffer --json 的内容交给平台方",
        "Give what jiahe buffer --json shows to the platform's people",
    ),
    "buffer.platform_lost": Message(
        "平台丢失了它已确认过的 {blocks} 个块，缓存里也没有了，记为缺口",
        "the platform lost {blocks} blocks that it had acknowledged, and the box has them no more; "
        "they are announced as gaps",
        "请平台方检查存储和备份：jiahe-ingest audit",
        "The platform's people should look at its store and backups: jiahe-ingest audit",
    ),
    "buffer.exported": Message(
        "已写入 {file}：{blocks} 个块，{size}",
        "{file} is written: {blocks} blocks, {size}",
    ),
    "buffer.exported_not_newer": Message(
        "较新版本写的文件不在其中，这个版本读不了：{files}",
        "files that a later version wrote are not in it, as this one can't read them: {files}",
        "装回较新的版本再导出",
        "Install the later version again, and export once more",
    ),
    "buffer.exported_without": Message(
        "有 {blocks} 个块损坏，没有写入",
        "{blocks} blocks are damaged and not in it",
        "守护进程会把它们报告为缺口",
        "The daemon announces them as gaps",
    ),
    "buffer.no_file": Message(
        "没有写要导出到哪个文件",
        "the file to export to is missing",
        "例如：jiahe buffer export /media/usb/jiahe.export",
        "For example: jiahe buffer export /media/usb/jiahe.export",
    ),
    "buffer.file_failed": Message(
        "{path} 出错：{error}",
        "{path} failed: {error}",
        "检查文件夹 {folder} 在不在（U 盘是否已挂载）、权限和空间：df -h {folder}",
        "Check that the folder {folder} is there (is the stick mounted?), its permissions and its "
        "space: df -h {folder}",
    ),
    "buffer.file_is_folder": Message(
        "{path} 是文件夹，不是文件",
        "{path} is a folder, not a file",
        "写上文件名：sudo jiahe buffer export {path}/jiahe.export",
        "Name a file in it: sudo jiahe buffer export {path}/jiahe.export",
    ),
    "buffer.kept": Message(
        "网关 {gateway} 的缓存已移到 {path}",
        "the buffer of gateway {gateway} was moved to {path}",
    ),
    "buffer.dropped": Message(
        "网关 {gateway} 的缓存已删除", "the buffer of gateway {gateway} was removed"
    ),
    "buffer.given_up": Message(
        "已放弃 {blocks} 个块，下次运行会报告为缺口",
        "{blocks} blocks were given up; the next run announces them as gaps",
    ),
    "buffer.is_own": Message(
        "缓存 {path} 就是网关 {gateway} 自己的，没有移动",
        "the buffer {path} is that of gateway {gateway} itself; it was not moved",
        "它会自动补传。真要放弃：jiahe buffer drop",
        "It is sent by itself. To give it up all the same: jiahe buffer drop",
    ),
    "buffer.locked": Message(
        "缓存目录 {path} 正被另一个 jiahe 使用",
        "the buffer directory {path} is used by another jiahe",
        "守护进程正在运行就先停下：sudo systemctl stop jiahe；两个守护进程不能用同一目录",
        "If the daemon is running, stop it first: sudo systemctl stop jiahe; two daemons must not "
        "share a directory",
    ),
    "buffer.newer_format": Message(
        "缓存里有 {count} 个较新版本写的文件（{file} 等），这个版本读不了："
        "原样保留，不发送，也不算丢失",
        "{count} files of the buffer ({file} first) were written by a later version: kept as they "
        "are, neither sent nor called lost",
        "装回较新的版本，它会接着发送",
        "Install the later version again: it sends them",
    ),
    "buffer.runs_used_up": Message(
        "运行计数已用尽（{runs} 次）：不能再开始新的运行",
        "the run counter is at its end ({runs}): no further run can begin",
        "换一个新的 [gateway] id，并把 [buffer] path 指向空目录；旧目录保留，交给平台方",
        "Take a new [gateway] id and point [buffer] path to an empty directory; keep the old one "
        "for the platform's people",
    ),
    "buffer.other_gateway": Message(
        "缓存文件 {file} 属于网关 {found}，不是 {expected}",
        "the buffer file {file} belongs to gateway {found}, not {expected}",
        "改回原来的 [gateway] id；或用 sudo jiahe buffer keep 移到旁边（可先 sudo jiahe buffer "
        "export /media/usb/jiahe.export 导出），sudo jiahe buffer drop 放弃",
        "Restore the former [gateway] id; or move the old buffer aside: sudo jiahe buffer keep "
        "(export it first: sudo jiahe buffer export /media/usb/jiahe.export), or give it up: sudo "
        "jiahe buffer drop",
    ),
}
