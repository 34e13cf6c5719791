"""The uplink's certificates: real files, real handshakes, each failure with its own words."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from drivers.api import TlsFiles
from gateway.messages import remedy, text
from gateway.ports import ChannelError
from gateway.report.snapshot import Said
from gateway.uplink.bound import Interface
from gateway.uplink.channel import GrpcChannel
from tests.kit.authority import Authority
from tests.kit.blocks import block
from tests.kit.fake_platform import FakePlatform
from tests.unit.test_uplink import Service, box, end, serving


def platform(files: TlsFiles) -> grpc.ServerCredentials:
    """Mutual TLS with these files."""
    pair = (files.key.read_bytes(), files.cert.read_bytes())
    return grpc.ssl_server_credentials([pair], files.ca.read_bytes(), True)


async def failure(channel: GrpcChannel) -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        await channel.open()
    return caught.value


def channel_to(port: int, files: TlsFiles | None, folder: Path, leaves_by: str = "") -> GrpcChannel:
    address = f"127.0.0.1:{port}"
    interface = Interface(leaves_by, address, folder) if leaves_by else None
    return GrpcChannel(address, files, interface=interface)


def warned(channel: GrpcChannel) -> list[str]:
    return [said["id"] for said in channel.warnings()]


async def connects(channel: GrpcChannel) -> None:
    await (await channel.open()).close()


LEAVES_BY = pytest.mark.parametrize("leaves_by", ["", "lo"])


@LEAVES_BY
def test_tls_when_mutual_carries_blocks(tmp_path: Path, leaves_by: str) -> None:
    authority = Authority(tmp_path, "ours")

    async def main() -> None:
        service = Service(FakePlatform())
        async with serving(service, credentials=platform(authority.files("server"))) as port:
            channel = channel_to(port, authority.files("gw-1"), tmp_path, leaves_by)
            buffer, uplink = await box(channel)
            buffer.put(block(buffer.epoch, 1))
            task = asyncio.create_task(uplink.run())
            await service.wait_for(1)
            await end(task)
        assert warned(channel) == []

    asyncio.run(main())


@LEAVES_BY
def test_tls_when_the_peer_hangs_up_in_the_handshake_does_not_blame_certificates(
    tmp_path: Path, leaves_by: str
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async def main() -> None:
        files = Authority(tmp_path, "ours").files("box")
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            error = await failure(channel_to(port, files, tmp_path, leaves_by))
        assert error.message == "uplink.hung_up", error.arguments

    asyncio.run(main())


OURS, EXPIRED = timedelta(days=365), timedelta(days=-1)


@LEAVES_BY
@pytest.mark.parametrize(
    ("own", "own_ends", "theirs", "theirs_ends", "wanted", "warnings"),
    [
        ("ours", EXPIRED, "ours", OURS, "uplink.closed", ["certificate.expired"]),
        ("other", OURS, "ours", OURS, "uplink.closed", []),
        ("ours", OURS, "ours", EXPIRED, "uplink.platform_expired", []),
        ("ours", OURS, "other", OURS, "uplink.tls", []),
        ("ours", OURS, "named", OURS, "uplink.wrong_name", []),
        ("ours", OURS, "plain", OURS, "uplink.not_tls", []),
        ("plain", OURS, "ours", OURS, "uplink.closed", []),
    ],
)
def test_connection_when_certificates_do_not_fit_says_whose_and_why(
    tmp_path: Path,
    own: str,
    own_ends: timedelta,
    theirs: str,
    theirs_ends: timedelta,
    wanted: str,
    warnings: list[str],
    leaves_by: str,
) -> None:
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    issued = {
        "ours": lambda ends: ours.files("server", ends_in=ends),
        "other": lambda ends: TlsFiles(ours.ca, *other.issue("server", ends_in=ends)),
        "named": lambda ends: ours.files("server", [x509.DNSName("a.example")], ends_in=ends),
    }
    box_files: dict[str, Callable[[], TlsFiles | None]] = {
        "ours": lambda: ours.files("gw-1", ends_in=own_ends),
        "other": lambda: TlsFiles(ours.ca, *other.issue("gw-1", ends_in=own_ends)),
        "plain": lambda: None,
    }
    credentials = None if theirs == "plain" else platform(issued[theirs](theirs_ends))

    async def main() -> None:
        async with serving(Service(FakePlatform()), credentials=credentials) as port:
            channel = channel_to(port, box_files[own](), tmp_path, leaves_by)
            error = await failure(channel)
            assert (error.message, warned(channel)) == (wanted, warnings), error.arguments
            for lang in ("zh", "en"):
                words = text(error.message, lang, **error.arguments)
                assert "127.0.0.1" in words and "SSL" not in words and "ipv4:" not in words
                assert remedy(error.message, lang, **error.arguments)
            assert error.arguments["error"], "the raw words, for --json and the platform's people"

    asyncio.run(main())


def test_folder_when_its_path_is_long_or_gone_then_no_matter_or_said(tmp_path: Path) -> None:
    """A socket's path has 107 characters."""

    async def main() -> None:
        async with serving(Service(FakePlatform())) as port:
            long = tmp_path / ("long" * 50)
            long.mkdir()
            await connects(channel_to(port, None, long, "lo"))
            assert list(long.iterdir()) == [], "it is tidied up"
            error = await failure(channel_to(port, None, tmp_path / "gone", "lo"))
            assert error.message == "uplink.no_socket"
            assert str(tmp_path / "gone") in text(error.message, "en", **error.arguments)
            error = await failure(channel_to(port, None, long, "nothere0"))
            assert error.message == "uplink.no_interface"

    asyncio.run(main())


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("key", "damage", "wanted"),
    [
        ("cert", _cut, "certificate.not_pem"),
        ("key", Path.unlink, "certificate.missing"),
        ("ca", _empty, "certificate.not_pem"),
        ("key", _cut, "certificate.bad_key"),
    ],
)
def test_files_when_they_break_while_running_then_the_old_ones_go_on_and_it_is_said(
    tmp_path: Path, key: str, damage: Callable[[Path], None], wanted: str
) -> None:
    authority = Authority(tmp_path, "ours")
    files = authority.files("gw-1")
    path: Path = getattr(files, key)
    saved = tmp_path / "saved"

    async def main() -> None:
        credentials = platform(authority.files("server"))
        async with serving(Service(FakePlatform()), credentials=credentials) as port:
            channel = GrpcChannel(f"127.0.0.1:{port}", files)
            await connects(channel)
            shutil.copy(path, saved)
            damage(path)
            (said,) = channel.warnings()
            assert said["id"] == "certificate.kept"
            assert said["args"]["why"]["id"] == wanted
            assert str(path) in text(said["id"], "zh", **said["args"])
            await connects(channel)
            fresh = GrpcChannel(f"127.0.0.1:{port}", files)  # as after a restart
            assert (await failure(fresh)).message == wanted
            assert warned(fresh) == [], "the cause says it"
            saved.replace(path)
            assert warned(channel) == []
            await connects(fresh)

    asyncio.run(main())


def test_files_when_replaced_are_used_on_the_next_connection(tmp_path: Path) -> None:
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    files = TlsFiles(ours.ca, *other.issue("gw-1"))

    async def main() -> None:
        credentials = platform(ours.files("server"))
        async with serving(Service(FakePlatform()), credentials=credentials) as port:
            channel = GrpcChannel(f"127.0.0.1:{port}", files)
            assert (await failure(channel)).message == "uplink.closed"
            cert, key = ours.issue("gw-1")
            cert.replace(files.cert)
            assert warned(channel) == ["certificate.kept"], "half-way through"
            key.replace(files.key)
            await connects(channel)

    asyncio.run(main())


def test_name_when_it_does_not_resolve_then_dns_is_named(tmp_path: Path) -> None:
    files = Authority(tmp_path, "ours").files("gw-1")

    async def main() -> None:  # RFC 6761: .invalid never resolves
        error = await failure(GrpcChannel("no-such-platform.invalid:8443", files))
        assert error.message == "uplink.dns"

    asyncio.run(main())


def test_platform_when_it_ends_while_a_stream_is_open_then_no_raw_words(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")

    async def main() -> Said:
        credentials = platform(authority.files("server"))
        async with serving(Service(FakePlatform()), credentials=credentials) as port:
            stream = await GrpcChannel(f"127.0.0.1:{port}", authority.files("gw-1")).open()
        with pytest.raises(ChannelError) as caught:
            async for _ in stream.messages():
                pass
        await stream.close()
        return Said(id=caught.value.message, args=caught.value.arguments)

    said = asyncio.run(main())
    assert said["id"] in ("uplink.lost", "uplink.unavailable"), said
