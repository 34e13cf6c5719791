"""What happens to a simulated world: one function each, a box drawn with it."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ingest.session import FEATURES
from tests.sim.box import Box

if TYPE_CHECKING:
    from tests.sim.world import World

#: A box that is heard no more may be followed by another one after so long.
SILENT_S = 601


def nothing(operation: str) -> None:
    """A disk that fails nothing."""


# ---- the box -------------------------------------------------------------------------------


async def power_cut(world: World, box: Box) -> None:
    await box.power_cut()


async def kill(world: World, box: Box) -> None:
    await box.kill()


async def restart(world: World, box: Box) -> None:
    await box.restart()


async def bad_disk(world: World, box: Box) -> None:
    """Every write fails for a while."""
    box.disk_failed = True

    def fail(operation: str) -> None:
        if operation != "read":
            raise OSError(errno.EIO, "Input/output error")

    box.disk.fail = fail
    await world.wait(world.rng.expovariate(0.2))
    box.disk.fail = nothing


async def bad_sync(world: World, box: Box) -> None:
    """The next sync fails, and what it was for is gone."""
    box.disk_failed = True
    failures = iter([OSError(errno.EIO, "Input/output error")])

    def fail(operation: str) -> None:
        if operation == "sync" and (error := next(failures, None)):
            raise error

    box.disk.fail = fail


async def full_disk(world: World, box: Box) -> None:
    """Others fill the file system for a while, but for a little."""
    box.disk_failed = True
    left = world.rng.choice([0, 100, 2000])
    box.disk.capacity_bytes += left - box.disk.free_bytes()
    await world.wait(world.rng.expovariate(0.2))
    box.disk.capacity_bytes = 1 << 40


async def rot(world: World, box: Box) -> None:
    """A power cut, and one bit of one file flips."""
    box.rotten += 1
    await box.stop()
    box.disk = box.disk.crash(world.rng)
    files = [(name, data) for name, data in sorted(box.disk.contents().items()) if data]
    if files:
        name, data = world.rng.choice(files)
        at = world.rng.randrange(len(data))
        flipped = bytes([data[at] ^ 1 << world.rng.randrange(8)])
        box.disk.replace(name, data[:at] + flipped + data[at + 1 :])
    await box.boot()


async def image(world: World, box: Box) -> None:
    """Somebody keeps an image of the card."""
    box.image = box.disk.copy(), set(box.runs)


async def put_image_back(world: World, box: Box) -> None:
    """The box is set up anew from the image: of what it did since it knows nothing."""
    if box.image is None:
        return
    await box.stop()
    box.disk, known = box.image
    box.image = None
    box.forgotten |= box.runs.keys() - known
    box.durable.clear()
    box.carried = 0
    await box.boot()


async def clone(world: World, box: Box) -> None:
    """The card is copied into another machine, which runs for a while: beside the box, or once that
    has been off for so long that the platform lets the other take over.
    """
    other = box.clone()
    world.clones.append(other)
    takes_over = world.rng.random() < 0.5
    if takes_over:
        await box.stop()
        await world.silence(SILENT_S)
    await other.boot()
    await world.wait(world.rng.expovariate(0.2))
    await other.stop()
    if takes_over:
        await world.silence(world.rng.choice([1, SILENT_S]))
        await box.power_cut()


# ---- the way -------------------------------------------------------------------------------


async def cut(world: World, box: Box) -> None:
    await box.cut()


async def half_open(world: World, box: Box) -> None:
    if box.channel.stream is not None:
        box.channel.stream.stalled = True


async def outage(world: World, box: Box) -> None:
    world.up = False
    _cut_all(world)
    await world.wait(world.rng.expovariate(0.1))
    world.up = True


# ---- the platform --------------------------------------------------------------------------


async def hold(world: World, box: Box) -> None:
    """The store is slow, or no more."""
    world.receiver.holding = not world.receiver.holding
    for stream in list(world.receiver.streams):
        stream.acknowledge()


async def other_version(world: World, box: Box) -> None:
    """The platform is upgraded, or put back to an older version."""
    some = world.rng.sample(sorted(FEATURES), world.rng.randint(0, len(FEATURES)))
    world.receiver.features = frozenset(some)
    world.receiver.software = f"real {world.rng.random()}"
    await reboot(world, box)


async def reboot(world: World, box: Box) -> None:
    world.receiver.restarted()
    _cut_all(world)


async def back_up(world: World, box: Box) -> None:
    world.backup = world.receiver.backup()


async def put_back(world: World, box: Box) -> None:
    """The platform's store is put back to an older state."""
    world.receiver.restore(world.backup)
    world.backup = world.receiver.backup()
    world.restores += 1
    known = {name for (name,) in world.receiver.sql.execute("SELECT gateway FROM gateways")}
    for one in world.boxes:
        settled = set(one.runs)
        if one.name in known:
            settled -= one.buffer.index.epochs.keys()  # else it is a new platform for the box
        settled.discard(one.epoch)
        world.taken_back |= {
            (one.name, run, seq) for run in settled for seq in one.runs[run].blocks
        }
    _cut_all(world)


def _cut_all(world: World) -> None:
    for box in world.boxes:
        box.channel.cut()


FAULTS: list[Callable[[World, Box], Awaitable[None]]] = [
    power_cut, power_cut, kill, restart, bad_disk, bad_sync, full_disk, rot, image, put_image_back,
    clone, cut, half_open, outage, outage, hold, other_version, other_version, reboot, back_up,
    back_up, put_back, put_back,
]  # fmt: skip
