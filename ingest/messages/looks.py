"""Texts about: what the commands that look at a store print, and what `import` took."""

from usage import Words

TABLE = {
    "no_gateway": Words(
        "--gateway {name}：库里没有这个网关；有的是：{known}",
        "--gateway {name}: the store knows no such gateway; it knows {known}",
    ),
    "none": Words("没有", "none"),
    "more_gateways": Words(
        "，还有 {more} 个（jiahe-ingest gateways）", " and {more} more (jiahe-ingest gateways)"
    ),
    "no_device": Words(
        "--device {name}：没有收到过这台设备的数据；有的是：{known}",
        "--device {name}: nothing of such a device ever came; there are {known}",
    ),
    "more_devices": Words(
        "，还有 {more} 台（jiahe-ingest audit --by day）",
        " and {more} more (jiahe-ingest audit --by day)",
    ),
    "gateway_imported": Words(
        "{gateway}：从未听到过，只有导入的文件：{runs} 次运行共 {blocks} 个数据块",
        "{gateway}: never heard, only files of it were imported: {blocks} blocks of {runs} runs",
    ),
    "heard_ago": Words("{seconds:.0f} 秒前听到过", "heard {seconds:.0f} s ago"),
    "gateway": Words(
        "{gateway}：第 {run} 次启动，{heard}，从 {address}，{software}，"
        "{runs} 次运行共 {blocks} 个数据块，{open} 次未结束",
        "{gateway}: run {run}, {heard} from {address}, {software}, {blocks} blocks of {runs} runs,"
        " {open} open",
    ),
    "value": Words(
        "{name} = {value}（{quality}，{age:.1f} 秒前{uncertain}）",
        "{name} = {value} ({quality}, {age:.1f} s ago{uncertain})",
    ),
    "uncertain_time": Words("，时间不可靠", ", its time is uncertain"),
    "imported": Words(
        "{gateway}：存入 {stored} 个数据块，已有 {duplicates} 个，拒收 {refused} 个",
        "{gateway}: {stored} blocks stored, {duplicates} were held already, {refused} refused",
    ),
    "import_cut": Words(
        "{file} 没有结尾，只有一部分：请重新拷贝；已有的部分都收下了",
        "{file} has no end, it was cut short: copy it again; what stands before is taken",
    ),
    "import_refused": Words(
        "epoch {epoch} 的数据块 {seq}：{reason}：{detail}",
        "block {seq} of epoch {epoch}: {reason}: {detail}",
    ),
    "range": Words("{first} 到 {last}", "{first} to {last}"),
    "no_export": Words(
        "这不是导出的文件：开头不是 JIAHEEX1",
        "this is no export file: it does not begin with JIAHEEX1",
    ),
    "export_count": Words(
        "结尾说有 {said} 条消息，里面是 {held} 条",
        "it says {said} messages at its end and holds {held}",
    ),
    "export_size": Words(
        "第 {at} 字节处的消息有 {size} 字节：文件损坏，或不是导出的文件",
        "a message of {size} bytes at byte {at}: damaged, or no export",
    ),
    "export_damaged": Words(
        "第 {at} 字节处的消息损坏：校验和不符",
        "the message at byte {at} is damaged: its checksum is another",
    ),
    "backup_done": Words("{file}：{size} 字节，完整", "{file}: {size} bytes, complete"),
    "audit_wrong": Words(
        "{gateway} 第 {run} 次启动：缺 {ticks} 个节拍、{blocks} 个数据块、{events} 个推送值，"
        "重复 {twice} 个节拍{still}",
        "{gateway} run {run}: {ticks} ticks, {blocks} blocks and {events} events missing, {twice}"
        " ticks twice{still}",
    ),
    "audit_still": Words(
        "（这次运行还没有结束：可能还会来）", " (the run is still open: they may yet come)"
    ),
    "audit_absent": Words(
        "{gateway} 第 {run} 次启动（epoch {epoch}）一点也没有，而第 {by} 次启动说它在前面。"
        "这个库是不是被放回了旧状态？",
        "{gateway} run {run} (epoch {epoch}) is absent: run {by} says that it was before, and"
        " nothing of it is here. Was this store put back to an older state?",
    ),
    "audit_run": Words(
        "{gateway} 第 {run} 次启动（epoch {epoch}，{state}）：{blocks} 个数据块，{scans} 次扫描，"
        "{samples} 个样本，重复到来 {duplicates} 块（未再存），缺失 {missing}",
        "{gateway} run {run} (epoch {epoch}, {state}): {blocks} blocks, {scans} scans, {samples}"
        " samples, {duplicates} duplicates refused, missing {missing}",
    ),
    "open": Words("未结束", "open"),
    "closed": Words("已结束", "closed"),
    "gap": Words("  缺口 {reason}：{counts}", "  gap {reason}: {counts}"),
    "ticks": Words("{number} 个节拍", "{number} ticks"),
    "events": Words("{number} 个推送值", "{number} events"),
    "blocks": Words("{number} 个数据块", "{number} blocks"),
    "unknown": Words("末尾数量不明", "an unknown number at its end"),
    "day_absent": Words(
        "{gateway} 第 {run} 次启动一点也没有（第 {by} 次启动指名是它）；它的时间算作缺失",
        "{gateway} run {run} is absent (run {by} names it); its time counts as missing",
    ),
    "day_short": Words(
        "{day} {gateway} {device}：完整 {complete:.4%}，要求 {expect} %",
        "{day} {gateway} {device}: {complete:.4%} complete, {expect} % expected",
    ),
    "day_missing": Words("缺失 {seconds:.3f} 秒", "{seconds:.3f} s missing"),
    "day": Words(
        "{day} {gateway} {device}：完整 {complete:.4%}；{parts}{uncertain}",
        "{day} {gateway} {device}: {complete:.4%} complete; {parts}{uncertain}",
    ),
    "day_part": Words("{name} {seconds:.3f} 秒", "{name} {seconds:.3f} s"),
    "day_uncertain": Words("，时钟不可靠", ", by an uncertain clock"),
    "class_complete": Words("完整", "complete"),
    "class_gaps": Words("缺口", "gaps"),
    "class_stopped": Words("停机", "stopped"),
    "class_missing": Words("缺失", "missing"),
    "class_awaited": Words("待来", "awaited"),
}
