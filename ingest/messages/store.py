"""Texts about: The store: opening it, losing it, copying it."""

from usage import Words

TABLE = {
    "store_no_scheme": Words(
        "--store {url!r} 没有写类型；写 sqlite:文件路径，例如 sqlite:ingest.db",
        "--store {url!r} has no scheme; write sqlite:PATH, e.g. sqlite:ingest.db",
    ),
    "store_sqlite_only": Words(
        "--store {url!r}：本版本只有 sqlite；写 sqlite:文件路径",
        "--store {url!r}: this version has sqlite only; write sqlite:PATH",
    ),
    "store_in_memory": Words(
        "--store {url!r}：内存里的库会忘掉已确认的数据；写一个文件",
        "--store {url!r}: a store in memory would forget what it acknowledged; name a file",
    ),
    "store_options": Words(
        "--store {url!r}：sqlite 没有选项（每次提交总是 synchronous=FULL）；去掉 '?' 和后面的",
        "--store {url!r}: sqlite has no options (it always commits with synchronous=FULL); leave"
        " out what follows '?'",
    ),
    "store_unopened": Words(
        "数据库 {path}：{error}；它的文件夹在吗？允许写吗？",
        "store {path}: {error}; does its directory exist, and may it be written?",
    ),
    "store_not_durable": Words(
        "数据库 {path}：journal_mode={journal}、synchronous={synchronous}，断电会丢失已确认的；"
        "把文件放到本地文件系统上",
        "store {path}: journal_mode={journal}, synchronous={synchronous} would acknowledge what a"
        " power cut takes; put the file on a local file system",
    ),
    "store_error": Words("数据库 {path}：{error}", "store {path}: {error}"),
    "store_none": Words(
        "数据库 {path}：没有这个文件；写 serve 所写的那个",
        "store {path}: no such file; name the one that `serve` writes",
    ),
    "store_log_apart": Words(
        "数据库 {path}：它的文件夹不能写，而 {log} 里有文件里还没有的数据。把两个文件都拷到"
        "能写的文件夹，再写拷贝的路径",
        "store {path}: its directory can't be written, and {log} holds what is not in the file"
        " yet. Copy both into a directory that can be written, and name the copy",
    ),
    "store_unread": Words(
        "数据库 {path}：{error}；允许读吗？", "store {path}: {error}; may it be read?"
    ),
    "store_empty": Words(
        "数据库 {path}：文件是空的；写 serve 所写的那个",
        "store {path}: the file is empty; name the one that `serve` writes",
    ),
    "store_foreign": Words(
        "数据库 {path}：是 SQLite 文件，但不是 jiahe-ingest 的库",
        "store {path}: an SQLite file, but not a store of jiahe-ingest",
    ),
    "store_format": Words(
        "数据库 {path}：格式 {version}，本版本读格式 {ours}；用写它的那个 jiahe-ingest",
        "store {path}: format {version}, this version reads {ours}; use the jiahe-ingest that"
        " wrote it",
    ),
    "lock_failed": Words(
        "数据库 {store}：不能在旁边建立 {lock}：{error}；它的文件夹在吗？允许写吗？",
        "store {store}: {lock} can't be made beside it: {error}; does its directory exist, and may"
        " it be written?",
    ),
    "store_in_use": Words(
        "数据库 {store} 正被进程 {pid} 使用；一个库只能有一个接收端：结束那一个，或换一个 --store",
        "store {store} is in use by pid {pid}; one receiver a store: end that one, or name another"
        " --store",
    ),
    "store_moved": Words(
        "{path} 在接收端打开它的时候被移走或替换了；不再确认任何数据。把它连同 -wal 文件放回原处，"
        "再重启接收端",
        "{path} was moved away or replaced while this receiver had it open; nothing is"
        " acknowledged any more. Put it back with its -wal file and restart the receiver",
    ),
    "log_moved": Words(
        "{path} 在接收端打开它的时候被删除或替换了：不放回，里面的数据就丢了；不再确认任何数据。"
        "放回它，或放回数据库的备份，再重启接收端",
        "{path} was removed or replaced while this receiver had it open: what it held is lost"
        " unless it is put back; nothing is acknowledged any more. Put it back, or a backup of the"
        " store, and restart the receiver",
    ),
    "content_damaged": Words(
        "点位目录或标签集 {name} 在库里损坏了：磁盘改动了写下的内容；用不到它的网关照常。"
        "停下接收端，检查磁盘，放回最近的备份：更新的数据，网关会重发或公告",
        "the content {name}, a catalog or tag set, is damaged in the store, so the disk changed"
        " what was written; gateways that don't need it go on. Stop the receiver, check the disk,"
        " and put the last backup of the store back: what is newer, the boxes send again or"
        " announce",
    ),
    "store_damaged": Words(
        "{store} 读不了，是不是损坏了？{error}", "{store} can't be read, is it damaged? {error}"
    ),
    "store_closed": Words("数据库 {path}：已关闭", "store {path}: closed"),
    "store_fault": Words("程序内部故障，请反馈：{error}", "internal fault, report it: {error}"),
    "store_broken": Words(
        "数据库 {path}：写线程已结束，请反馈：{error}",
        "store {path}: its writer ended, report it: {error}",
    ),
    "backup_there": Words(
        "{target} 已经有了；写一个还没有的文件名",
        "{target} is there already; name a file that is not",
    ),
    "backup_failed": Words(
        "备份到 {target} 失败：{error}；数据库没有问题",
        "the backup to {target} failed: {error}; the store is well",
    ),
    "sort_failed": Words(
        "排序要用临时文件，在 {folder} 里，这一步失败了：{error}。数据库没有问题。在那里腾出空间，"
        "或换一个文件夹：SQLITE_TMPDIR=/var/tmp",
        "rows are sorted in a temporary file, in {folder}, and that failed: {error}. The store is"
        " well. Free some space there, or name another folder: SQLITE_TMPDIR=/var/tmp",
    ),
}
