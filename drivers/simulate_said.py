"""What `jiahe-sim` says while it runs, in Chinese and in English: that it is ready, and what is
wrong.

A simulator raises `SimulatorError` with a key of SAID; its text is in the language of the
environment, as the help is.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Any

from usage import Words, language

SAID: Mapping[str, Words] = {
    "ready": Words("就绪：{title}，{where}", "ready: {title}, {where}"),
    "ready_on": Words("在 {where}", "on {where}"),
    "ready_dialling": Words("拨向 {where}", "dialling {where}"),
    "ready_units": Words("站号 {units}，{where}", "units {units}, {where}"),
    "ready_meters": Words("表号 {meters}，{where}", "meters {meters}, {where}"),
    "ready_both": Words(
        "站号 {units}，表号 {meters}，{where}", "units {units}, meters {meters}, {where}"
    ),
    "agent": Words("MTConnect 代理", "MTConnect agent"),
    "adapter": Words("MTConnect 适配器（SHDR）", "MTConnect adapter (SHDR)"),
    "error": Words("错误：{error}", "error: {error}"),
    "no_profile": Words(
        "没有模板 {name!r}；有的是：{known}；也可以写 .toml 文件",
        "no profile {name!r}; there are: {known}; or name a .toml file",
    ),
    "no_meter": Words(
        "表号 {text!r}：写 12 位数字，例如 012345678901",
        "meter {text!r}: twelve digits, such as 012345678901",
    ),
    "no_packet": Words(
        "{text!r} 不是包；例如 text:JX007 或 hex:fe",
        "{text!r} is no packet; for example text:JX007 or hex:fe",
    ),
    "no_baud": Words(
        "--baud {baud}：串口没有这个波特率；例如 9600、19200、115200",
        "--baud {baud}: no rate of a serial port; such as 9600, 19200, 115200",
    ),
    "counter_address": Words("--counter {text}：不是地址", "--counter {text}: no address"),
    "counter_registers": Words(
        "--counter {text}：只能是保持寄存器或输入寄存器",
        "--counter {text}: holding or input registers only",
    ),
    "units": Words(
        "站号 {text!r}：写数字和范围，例如 1-4,9", "units {text!r}: numbers and ranges like 1-4,9"
    ),
    "units_range": Words("站号 {text!r}：0 到 255", "units {text!r}: from 0 to 255"),
    "no_address_port": Words(
        "{text!r} 不是 地址:端口；例如 127.0.0.1:1502",
        "{text!r} is no ADDRESS:PORT; for example 127.0.0.1:1502",
    ),
    "no_ip": Words(
        "{host!r} 不是 IP 地址；例如 127.0.0.1", "{host!r} is no IP address; for example 127.0.0.1"
    ),
    "remote": Words(
        "别的机器够得到 {host}，而模拟器谁都回答；写 127.0.0.1，或加上 --allow-remote",
        "{host} can be reached from other machines, and a simulator asks nobody who they are; use "
        "127.0.0.1, or add --allow-remote",
    ),
    "tls_files": Words(
        "--tls {cert} {key} {ca}：{error}；按证书、私钥、客户端的签发机构的次序写 PEM 文件",
        "--tls {cert} {key} {ca}: {error}; give PEM files: certificate, key, the authority of the "
        "clients",
    ),
    "no_command": Words(
        "没有这个命令：{line!r}；故障有：{faults}",
        "no such command: {line!r}; faults are: {faults}",
    ),
    "no_agent_command": Words(
        "没有这个命令：{line}；help 列出全部", "no such command: {line}; help lists them"
    ),
    "no_meter_command": Words(
        "{line}：写 mute 表号、clear 表号 或 stats", "{line}: mute METER, clear METER or stats"
    ),
    "no_unit": Words(
        "没有站号 {selector!r}；有的是：{known}", "no unit {selector!r}; there are: {known}"
    ),
    "no_fault": Words(
        "没有故障 {name!r}；有的是：{known}", "no fault {name!r}; there are: {known}"
    ),
    "fault_value": Words("{name} 不能是 {value!r}", "{name} cannot be {value!r}"),
    "system": Words("{error}", "{error}"),
    "of_file": Words("{path}：{error}", "{path}: {error}"),
    "not_toml": Words("{path}：不是 TOML：{error}", "{path}: not TOML: {error}"),
    "tags_no_table": Words("{path}：tags 应当是一节 [tags]", "{path}: tags is no table"),
    "no_range": Words("{where}：不是一段地址：{text}", "{where}: no range of addresses: {text}"),
    "at": Words("{where}：{error}", "{where}: {error}"),
    "type": Words(
        "{where}：type {found!r}：应为 {known} 之一", "{where}: type {found!r}: one of {known}"
    ),
    "order": Words(
        "{where}：order {found!r}：应为 {known} 之一", "{where}: order {found!r}: one of {known}"
    ),
    "address_missing": Words("{where}：没有写 address", "{where}: has no address"),
    "address": Words("{where}：不是地址：{text}", "{where}: no address: {text}"),
    "number": Words("{where}：有一个数不是数：{error}", "{where}: a number that is none: {error}"),
    "length": Words(
        "{where}：length {found!r}：应为 1 到 {most}", "{where}: length {found!r}: 1 to {most}"
    ),
}

#: What the operating system refused, and what to do; a number without words of ours keeps its own.
_SYSTEM = {
    errno.EADDRINUSE: Words(
        "别的程序占着它（ss -ltnp 可查）；结束那个程序，或换一个端口",
        "another program has it (see ss -ltnp): end that one, or take another port",
    ),
    errno.EADDRNOTAVAIL: Words(
        "本机没有这个地址（ip address 可查）", "this machine has no such address (see ip address)"
    ),
    errno.EACCES: Words(
        "没有权限；1024 以下的端口要 root", "permission denied; ports below 1024 are root's"
    ),
    errno.EEXIST: Words(
        "已经有这个文件；删掉它，或换一个路径",
        "there is such a file: remove it, or take another path",
    ),
    errno.ENOENT: Words("它不存在，或它的文件夹不存在", "there is no such file, or no such folder"),
    errno.EISDIR: Words("是文件夹，不是文件", "it is a directory, no file"),
    errno.ENOTDIR: Words("路径中有一段不是文件夹", "part of the path is no folder"),
    errno.EPERM: Words("没有权限", "permission denied"),
    errno.EROFS: Words("文件系统只读", "the file system is read-only"),
    errno.ENOSPC: Words("磁盘空间不足", "no space is left on the disk"),
    errno.EMFILE: Words("打开的文件太多", "too many files are open"),
}


class SimulatorError(ValueError):
    """Something that a technician asked a simulator for and can't have: says what, and what to
    write instead.
    """

    def __init__(self, key: str, /, **args: Any) -> None:
        super().__init__(key, args)
        self._key, self._args = key, args

    def __str__(self) -> str:
        return said(self._key, **self._args)


def said(key: str, /, **args: Any) -> str:
    """The text of that key in the language of the environment, exceptions in words."""
    known = {name: why(one) if isinstance(one, Exception) else one for name, one in args.items()}
    one = SAID[key]
    return (one.zh if language() == "zh" else one.en).format(**known)


def why(error: Exception, where: str = "") -> str:
    """What it says. Of the system's refusals: what, and the file or the address that it is about;
    `where`: the address, where the error does not say it.
    """
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    found = _SYSTEM.get(error.errno)
    words = os.strerror(error.errno) if found is None else found[language() != "zh"]
    name = error.filename2 or error.filename or where
    return said("of_file", path=name, error=words) if name else words
