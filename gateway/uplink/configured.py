"""The ways to the platform of a configuration, with their budgets as the runs before left them."""

from __future__ import annotations

from collections.abc import Callable

from gateway.config.model import GatewayConfig
from gateway.config.units import Rate
from gateway.ports import Clock, Disk, RunBlocking
from gateway.uplink.bound import Interface
from gateway.uplink.channel import GrpcChannel
from gateway.uplink.credentials import Credentials
from gateway.uplink.keptbudget import NAME, KeptBudget, NoBudget
from gateway.uplink.ways import Way


async def open_ways(
    config: GatewayConfig,
    credentials: Credentials | None,
    disk: Disk,
    run_blocking: RunBlocking,
    clock: Clock,
    utc_ns: Callable[[int], int | None],
) -> list[Way]:
    """Those of [uplinks]; without any the one that the system has."""
    address = config.platform.address

    async def kept(rate: Rate | None, name: str) -> NoBudget:
        if rate is None:
            return NoBudget()
        return await KeptBudget.open(rate, disk, run_blocking, clock, utc_ns, name=name)

    if not config.uplinks:
        carries = await kept(config.platform.data_budget, NAME)
        return [Way(GrpcChannel(address, credentials), carries)]
    ways = []
    for said in config.uplinks:
        interface = Interface(said.interface, address, config.control.parent)
        channel = GrpcChannel(address, credentials, interface=interface)
        carries = await kept(said.data_budget, f"{NAME}-{said.name}")
        ways.append(Way(channel, carries, said.name, interface, said.metered))
    return ways
