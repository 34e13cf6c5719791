"""Behind real proxies with their defaults: docs/proxies.md says how to set them, and this says that
a box makes progress behind one that nobody set.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fault.test_uplink_cuts import MIB, Rig, box_behind
from tests.kit.cutter import passes
from tests.kit.fake_platform import FakePlatform
from tests.unit.test_uplink import Service, serving

pytestmark = pytest.mark.slow

#: As a Debian package leaves it, but for ports and folders: 1 MiB of body, 60 s of silence.
NGINX = """
daemon off; master_process off; error_log stderr; pid {folder}/pid;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} http2;
    location / {{ grpc_pass grpc://127.0.0.1:{target}; }}
  }}
}}
"""
#: haproxy has no defaults for its timeouts; these stand in each example.
HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
frontend box
  bind 127.0.0.1:{port} proto h2
  default_backend platform
backend platform
  server one 127.0.0.1:{target} proto h2
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def proxy(name: str, folder: Path, target: int) -> AsyncIterator[int]:
    """Its port, once it listens."""
    port = free_port()
    config = folder / f"{name}.conf"
    text = {"nginx": NGINX, "haproxy": HAPROXY}[name]
    config.write_text(text.format(folder=folder, port=port, target=target))
    arguments = {"nginx": ["-p", str(folder), "-c", str(config)], "haproxy": ["-f", str(config)]}
    process = await asyncio.create_subprocess_exec(
        program(name), *arguments[name], stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await passes(0.05)
                else:
                    writer.close()
                    break
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin")
    assert found is not None, f"{name} is not installed: scripts/setup --tests installs it"
    return found


@asynccontextmanager
async def running(name: str, folder: Path) -> AsyncIterator[Rig]:
    service = Service(FakePlatform(window_blocks=48, window_bytes=16 * MIB))
    service.platform.heartbeat_ms = 10_000
    async with (
        serving(service) as target,
        proxy(name, folder, target) as port,
        box_behind(port, service) as (buffer, uplink),
    ):
        yield Rig(buffer, uplink, service, None)


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_backlog_of_20_mb_when_behind_a_proxy_with_its_defaults_arrives(
    name: str, tmp_path: Path
) -> None:
    program(name)

    async def main() -> None:
        async with running(name, tmp_path) as rig:
            rig.put(750, 27_000)
            whole = sum(len(b.data) for b in rig.buffer.index.epoch(rig.buffer.epoch).ram.values())
            assert whole > 20 * 10**6
            await rig.drained(200)
            assert rig.platform.conflicts == 0
            shown = rig.uplink.snapshot()
            assert whole / shown["sent_bytes"] >= 0.8
            rig.put(1, 500)
            await rig.drained(30)

    asyncio.run(main())
