"""What is read of the box. One table for all boxes: what one has no sensor for has no value there,
so that boxes alike or not share the description of their tags.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from drivers.api import TagSpec

#: A value as it was read; a tag without one is left out.
Value = bool | int | float | str


def _number(
    name: str, unit: str, resolution: str, description: str, *, whole: bool = True
) -> TagSpec:
    return TagSpec(
        name, name, "int32" if whole else "float32", 0, unit=unit, report="change",
        resolution=Decimal(resolution), description=description,
    )  # fmt: skip


def _text(name: str, length: int, description: str) -> TagSpec:
    return TagSpec(
        name, name, "string", 0, length=length, encoding="utf-8", report="change",
        description=description,
    )  # fmt: skip


def _flag(name: str, description: str) -> TagSpec:
    return TagSpec(name, name, "bool", 0, report="change", description=description)


_HEALTH = (
    _number("cpu_temperature", "°C", "1", "处理器温度 processor temperature", whole=False),
    _number("cpu_busy", "%", "1", "处理器占用 processor in use", whole=False),
    _number("load_1min", "", "0.1", "一分钟平均负载 load average of a minute", whole=False),
    _number("memory_available", "MiB", "4", "可用内存 memory available"),
    _number("memory_service", "MiB", "1", "采集服务占用的内存 memory of the service"),
    _number("uptime", "h", "1", "开机时长 time since boot"),
    _number("buffer_free", "MiB", "16", "缓存所在磁盘的剩余空间 free on the buffer's disk"),
    _flag("buffer_read_only", "缓存所在磁盘变成只读 the buffer's disk is read-only"),
    _number("flash_written", "MiB/d", "8", "闪存每天写入量 written to flash a day"),
    _number("flash_life_used", "%", "1", "eMMC 自报的寿命消耗 life used, as the eMMC says"),
    _number(
        "flash_years_left", "a", "0.5", "闪存估计还能用几年 years left, estimated", whole=False
    ),
    _flag("under_voltage", "电源欠压 under voltage"),
)
_RADIO = (
    _text("radio_state", 16, "模块状态 state of the modem"),
    _text("operator", 32, "运营商 operator"),
    _text("access", 16, "制式 access technology"),
    _text("band", 8, "频段 band"),
    _text("cell", 16, "小区 cell identity (hex)"),
    _number("signal", "%", "5", "信号强度 signal quality"),
    _number("rsrp", "dBm", "1", "参考信号接收功率 RSRP"),
    _number("rsrq", "dB", "1", "参考信号接收质量 RSRQ"),
    _number("sinr", "dB", "1", "信噪比 SINR"),
)


def tags_of(every_ns: int, *, radio: bool) -> tuple[TagSpec, ...]:
    """The tags of the device, read each `every_ns`."""
    chosen = (*_HEALTH, *_RADIO) if radio else _HEALTH
    return tuple(replace(tag, every_ns=every_ns) for tag in chosen)
