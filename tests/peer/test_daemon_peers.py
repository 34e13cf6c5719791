"""What the platform reads from a block is what the peer serves: wire, scan, seal, decode.

The driver's tests ask for its latest values; here the way is the daemon's own, over every framing,
and the values are those of the receiver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from threading import Event

from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers import registry
from drivers.api import DeviceSpec, LinkSpec
from gateway.catalog import build
from native.block.seal import Sealer
from tests.kit.short import short_reader
from tests.kit.wire import crossed_pair
from tests.peer import servers, table
from tests.peer.test_driver_peers import device, scanning, table_tags

_BAUD = 115200
_LOOKS, _LOOK_S = 500, 0.02


def expected() -> dict[str, str]:
    """The table as the platform shows it."""
    found: dict[str, str] = {}
    for entry in table.entries():
        value = entry.value  # the float32 among them is exact
        text = value if isinstance(value, str) else format(Decimal(repr(value)), "f")
        for space in ("holding", "input"):
            found[f"{space}.{entry.name}"] = text
    for number, on in table.BITS.items():
        found |= {f"{space}:{number}": str(int(on)) for space in ("coil", "discrete")}
    return found


def platform_values(spec: DeviceSpec) -> dict[str, str | None]:
    """Each tag's good values, out of sealed blocks as platforms read them."""
    groups = registry.get("modbus").plan(spec).groups
    made = build("site", "", [(i, spec, group) for i, group in enumerate(groups)])
    head = [pb.StreamRequest(tag_set=pb.TagSet(content=c)) for c in made.tag_sets.values()]
    catalog = pb.Catalog(epoch=1, revision=1, id=made.id, content=made.content)
    head.append(pb.StreamRequest(catalog=catalog))
    found: dict[str, str | None] = {}
    pause = Event()
    with scanning(spec) as (opened, runner):
        sealer, seq = Sealer(opened.groups), 0
        for _ in range(_LOOKS):
            runner.learn()
            for sealed in sealer.seal(1, seq + 1, 1):
                seq = sealed.seq
                block = pb.StreamRequest(block=pb.Block.FromString(sealed.data))
                for _, _, tag, _, _, value, quality in short_reader().read([*head, block]):
                    if quality == pb.QUALITY_GOOD:
                        assert found.setdefault(tag, value) == value
            if len(found) == len(spec.tags):
                break
            pause.wait(_LOOK_S)
    return found


def assert_platform_reads_table(link: LinkSpec, framing: str) -> None:
    assert platform_values(device(link, table_tags(), framing)) == expected()


def test_platform_over_tcp_reads_every_type_of_a_peer(
    peer: Callable[..., Sequence[str]],
) -> None:
    with servers.running(peer()) as port:
        assert_platform_reads_table(LinkSpec("l", "tcp", host="127.0.0.1", tcp_port=port), "tcp")


def assert_platform_reads_port(framing: str, command: Callable[..., Sequence[str]]) -> None:
    with crossed_pair(baud=_BAUD) as pair, servers.running(command(str(pair.left), str(_BAUD))):
        link = LinkSpec("l", "serial", port=str(pair.right), baud=_BAUD)
        assert_platform_reads_table(link, framing)


def test_platform_on_a_serial_port_reads_every_type_of_a_peer(
    peer: Callable[..., Sequence[str]],
) -> None:
    assert_platform_reads_port("rtu", peer)


def test_platform_on_a_serial_port_in_ascii_reads_every_type_of_pymodbus(table_file: Path) -> None:
    assert_platform_reads_port("ascii", partial(servers.pymodbus, table_file, framing="ascii"))
