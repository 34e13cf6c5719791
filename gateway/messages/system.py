"""Why the operating system refused: parts of sentences, for arguments of other messages."""

from drivers.words import Message

TABLE = {
    "system.not_there": Message("不存在", "there is no such file", "", ""),
    "system.not_allowed": Message("没有权限", "permission denied", "", ""),
    "system.no_space": Message("磁盘空间不足", "no space is left on the disk", "", ""),
    "system.read_only": Message("文件系统只读", "the file system is read-only", "", ""),
    "system.input_output": Message("磁盘或设备读写出错", "input/output error", "", ""),
    "system.is_directory": Message("是文件夹，不是文件", "it is a directory, no file", "", ""),
    "system.unfit_file": Message("不是普通文件，或太大", "no regular file, or too large", "", ""),
    "system.no_directory": Message(
        "路径中有一段不是文件夹", "part of the path is no folder", "", ""
    ),
    "system.files_used_up": Message("打开的文件太多", "too many files are open", "", ""),
    "system.busy": Message("正被占用", "it is in use", "", ""),
    "system.no_device": Message("没有这个设备", "there is no such device", "", ""),
    "system.other": Message("系统错误 {number}：{words}", "system error {number}: {words}", "", ""),
}
