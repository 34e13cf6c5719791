"""What `jiahe-ingest` says while it works: ready line, results, errors and its log, in Chinese and
in English.

Whatever is printed or logged is `said(key, ...)`. What goes to a box or a reader of the wire
(rejects, ends of streams, JSON) is English alone, and stands where it is made.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Mapping
from typing import Any

from ingest.messages import files, looks, serve, store
from usage import Words, language

MESSAGES: Mapping[str, Words] = {**serve.TABLE, **files.TABLE, **store.TABLE, **looks.TABLE}

#: What the operating system refused; a number without words of ours keeps its own.
_SYSTEM = {
    errno.ENOENT: "不存在",
    errno.EACCES: "没有权限",
    errno.EPERM: "没有权限",
    errno.ENOSPC: "磁盘空间不足",
    errno.EDQUOT: "磁盘空间不足",
    errno.EROFS: "文件系统只读",
    errno.EIO: "磁盘或设备读写出错",
    errno.EISDIR: "是文件夹，不是文件",
    errno.ENOTDIR: "路径中有一段不是文件夹",
    errno.EMFILE: "打开的文件太多",
    errno.ELOOP: "是符号链接",
}
#: The same of SQLite, by the beginning of its own names.
_SQLITE = {
    "SQLITE_BUSY": "正被别的程序占用",
    "SQLITE_LOCKED": "正被别的程序占用",
    "SQLITE_FULL": "磁盘空间不足",
    "SQLITE_IOERR": "磁盘读写出错",
    "SQLITE_CANTOPEN": "打不开",
    "SQLITE_CORRUPT": "文件损坏",
    "SQLITE_NOTADB": "不是 SQLite 文件",
    "SQLITE_READONLY": "只读",
    "SQLITE_PERM": "没有权限",
}


def said(key: str, /, **args: Any) -> str:
    """The text of that key, in the language of the environment; an exception among the arguments
    in words, too."""
    lang = language()
    known = {name: why(one) if isinstance(one, Exception) else one for name, one in args.items()}
    one = MESSAGES[key]
    return (one.zh if lang == "zh" else one.en).format(**known)


def why(error: BaseException) -> str:
    """What it says, where this has words of ours; the file that it names is left out."""
    if isinstance(error, OSError) and error.errno is not None:
        words = os.strerror(error.errno)
        return _SYSTEM.get(error.errno, words) if language() == "zh" else words
    name = getattr(error, "sqlite_errorname", None) if isinstance(error, sqlite3.Error) else None
    if name and language() == "zh":
        return next((zh for mark, zh in _SQLITE.items() if name.startswith(mark)), str(error))
    return str(error)
