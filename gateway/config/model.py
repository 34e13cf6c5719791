"""What a configuration comes to: frozen values, times in nanoseconds, sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from drivers.api import DeviceSpec, LinkSpec
from gateway.config.units import Rate

Language = Literal["zh", "en"]
WhenFull = Literal["drop_oldest", "drop_newest"]


@dataclass(frozen=True, slots=True)
class PlatformConfig:
    """Where blocks go. `ca`, `cert` and `key` are set unless `insecure`."""

    address: str  # host:port
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    insecure: bool = False
    send_every_ns: int = 500_000_000
    data_budget: Rate | None = None  # what the SIM card may carry; None: no limit


@dataclass(frozen=True, slots=True)
class UplinkWay:
    """One of [uplinks]: a way to the platform by a network interface of its own."""

    name: str
    interface: str
    metered: bool = False
    data_budget: Rate | None = None  # only where metered


@dataclass(frozen=True, slots=True)
class BufferConfig:
    path: Path = Path("/var/lib/jiahe/buffer")
    max_size: int = 2 << 30  # bytes
    keep_for_ns: int = 30 * 86_400 * 10**9
    flush_every_ns: int = 10**9
    when_full: WhenFull = "drop_oldest"


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """All paths are absolute. Links and devices are in the order of the files."""

    id: str
    platform: PlatformConfig
    buffer: BufferConfig
    links: tuple[LinkSpec, ...]
    devices: tuple[DeviceSpec, ...]
    uplinks: tuple[UplinkWay, ...] = ()  # in the order of preference; none: the system's route
    site: str = ""
    language: Language = "zh"
    control: Path = Path("/run/jiahe/control.sock")
