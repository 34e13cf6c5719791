"""P8 on the wire: a trace's blocks through the real channel to the real receiver, and back.

Counted between the two by a relay, both directions: TLS 1.3 records, HTTP/2 frames, gRPC, the
catalog and the acknowledgements; not the handshake, which a stream has once, and not TCP/IP. A
block is sent when the one before it has been acknowledged, as on a healthy uplink.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.api import DeviceSpec, GroupPlan, LinkSpec
from gateway.catalog import catalog
from gateway.certificates import TlsFiles
from gateway.uplink.channel import GrpcChannel
from gateway.uplink.wire import block_message, catalog_message
from tests.contract.pki import Authority
from tests.kit.relay import Relay

GATEWAY, EPOCH = "bench", 1 << 32


def carried_bytes(plan: GroupPlan, blocks: Sequence[pb.Block]) -> int:
    """Bytes that crossed the wire for these blocks. Raises RuntimeError if one is refused."""
    link = LinkSpec("bench", "tcp", host="127.0.0.1")
    device = DeviceSpec(plan.device, link, "modbus", plan.tags)
    made = catalog(EPOCH, 1, "bench", [(1, device, plan)]).SerializeToString()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="jiahe-bench-")))
        authority = Authority(folder / "pki", "bench CA")
        identity = x509.UniformResourceIdentifier(f"urn:jiahe:gateway:{GATEWAY}")
        cert, key = authority.issue("box", "bench box", [identity])
        receiver = subprocess.Popen(
            [
                Path(sys.executable).parent / "jiahe-ingest", "serve", "--listen", "127.0.0.1:0",
                "--store", f"sqlite:{folder}/store.db", "--json", *authority.receiver(),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        stack.callback(receiver.wait, 20)
        stack.callback(receiver.terminate)
        assert receiver.stdout is not None
        address = json.loads(receiver.stdout.readline())["address"]
        relay = Relay(int(address.rpartition(":")[2]))
        stack.callback(relay.close)
        channel = GrpcChannel(
            f"127.0.0.1:{relay.port}", TlsFiles(ca=authority.ca, cert=cert, key=key)
        )
        return asyncio.run(_send(channel, relay, made, blocks))


async def _send(channel: GrpcChannel, relay: Relay, made: bytes, blocks: Sequence[pb.Block]) -> int:
    stream = await channel.open()
    try:
        said = aiter(stream.messages())
        hello = pb.Hello(protocol=1, gateway=GATEWAY, epoch=EPOCH, boot_id="bench")
        await stream.send(pb.StreamRequest(hello=hello).SerializeToString())
        await anext(said)
        before = relay.bytes_up + relay.bytes_down
        await stream.send(catalog_message(made))
        for seq, block in enumerate(blocks, 1):
            named = pb.Block()
            named.CopyFrom(block)
            named.epoch, named.seq = EPOCH, seq
            await stream.send(block_message(named.SerializeToString(), pb.LANE_LIVE))
            answer = pb.StreamResponse.FromString(await anext(said))
            if not answer.HasField("ack"):
                raise RuntimeError(f"block {seq} was not acknowledged: {answer}")
        return relay.bytes_up + relay.bytes_down - before
    finally:
        await stream.close()
