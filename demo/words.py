"""What the demonstration says, in the language of whoever looks on.

The English sentence is the key, so that the story reads well where it is told; a test finds each
one that has no Chinese.
"""

from __future__ import annotations

import os

_ZH = {
    "starting simulators, receiver and daemon in {folder}": (
        "启动模拟设备、接收端和守护进程：{folder}"
    ),
    "daemon up: robot 10 ms, CNC 100 ms, 5 meters on RS-485 (one is off)": (
        "守护进程已启动：机器人 10 ms、机床 100 ms、RS-485 上 5 块表（1 块断电）"
    ),
    "meter-5, by DL/T 645 on the same line, was not read": (
        "同一条线上用 DL/T 645 的 meter-5 没有读到"
    ),
    "all acknowledged; written to flash so far: {written:,} bytes": (
        "平台已全部确认；至今写入闪存 {written:,} 字节"
    ),
    "uplink cut for {seconds} s: the box keeps everything on disk": (
        "断网 {seconds} 秒：数据全部存在网关的磁盘上"
    ),
    "uplink back; {blocks} blocks wait": "网络恢复；{blocks} 个数据块待传",
    "backlog delivered, live data went first": "积压已补传，新数据优先",
    "daemon killed with SIGKILL, started again": "强杀守护进程（SIGKILL），再次启动",
    "daemon stopped cleanly; comparing the books": "守护进程正常停止；开始对账",
    "NOT RIGHT: {violation}": "不对：{violation}",
    "The books do not agree. Look into {folder}": "账目不符，请查看 {folder}",
    "Nothing missing, nothing twice: every answer is stored once or announced.": (
        "没有丢失，没有重复：每个应答要么恰好入库一次，要么已公告。"
    ),
    "The demonstration stopped: {error}": "演示中断：{error}",
    "Logs are in {folder}": "日志在 {folder}",
    "sampled": "采到",
    "answers of the simulated machines, by their books": "次模拟设备的应答（按设备自己的账）",
    "stored": "入库",
    "of them in the platform's store": "其中已在平台的库里",
    "twice": "重复",
    "stored more than once ({repeats} repeats came and were refused)": (
        "入库一次以上（重复到来 {repeats} 块，均未再存）"
    ),
    "missing": "丢失",
    "neither stored nor announced as missing": "既没入库也没公告",
    "bad": "坏值",
    "stored with the reason instead of a value": "入库的是原因，不是数值",
    "in a gap: {reason}": "缺口（{reason}）",
    "not asked": "未采",
    "ticks of meter-4, off all the time: announced": "4 号表一直断电，已公告",
    "bytes a sample": "每个样本字节",
    "{samples:,} samples, {total:,} bytes with TLS, gRPC, acks": (
        "{samples:,} 个样本，{total:,} 字节，含 TLS、gRPC 和确认"
    ),
    "CPU": "CPU",
    "of one core, the whole daemon": "一个核的占用，整个守护进程",
    "memory": "内存",
    "of the daemon": "守护进程",
    "late: {device}": "迟到：{device}",
    "half of its scans; 99 of 100: {p99}": "一半扫描不超过；百分之 99 不超过 {p99}",
    "the scan before it was still running": "上一次扫描还没结束",
    "the device does not answer (meter-4 is switched off)": "设备没有应答（4 号表断电）",
    "the connection was not up yet": "连接还没建立",
    "the daemon was killed": "守护进程被强杀",
    "the box's memory was full": "网关的内存满了",
    "the buffer was full": "缓存满了",
    "UTC moved: no moment of its grid fell to it": "UTC 有变动，没有整数倍时刻落在它上面",
    "overrun": "上一次未完",
    "replanned": "采集时刻在调整",
    "device_silent": "设备不应答",
    "link_down": "链路不通",
    "crash": "强杀",
    "memory_full": "内存满",
    "evicted_oldest": "缓存满",
}


def is_chinese() -> bool:
    """As JIAHE_LANG says, else the locale."""
    names = ("JIAHE_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    said = next((os.environ[name] for name in names if os.environ.get(name)), "")
    return said.lower().startswith("zh")


def words(english: str, /, **args: object) -> str:
    """The sentence with its arguments, in Chinese where that is the language; what has no Chinese
    stays as it is.
    """
    return (_ZH.get(english, english) if is_chinese() else english).format(**args)
