"""Which files `jiahe upgrade` takes, with the real ssh-keygen and dpkg-deb."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from gateway.upgrade.bundle import NAMESPACE, BundleError, said, verified
from package.bundle import pack, sign


class Publisher:
    """Who makes bundles here: a key, and a small package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = folder / "key"
        self.keys = folder / "upgrade-keys"
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self.key)]
        subprocess.run(make, check=True)
        public = self.key.with_suffix(".pub").read_text()
        self.keys.write_text(f'jiahe namespaces="{NAMESPACE}" {public}')

    def content(self, *, name: str = "jiahe", arch: str = "") -> Path:
        arch = arch or said("dpkg", "--print-architecture")
        tree = self.folder / "tree"
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        (tree / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: 1.1+deb12\nArchitecture: {arch}\n"
            "Maintainer: A <a@example.com>\nDescription: a\n"
        )
        made = self.folder / "content"
        made.mkdir(exist_ok=True)
        build = ["dpkg-deb", "-Znone", "--build", tree, made / f"jiahe_1.1+deb12_{arch}.deb"]
        subprocess.run(build, check=True, capture_output=True)
        (made / "install.sh").write_text("#!/bin/sh\n")
        return made

    def bundle(self, content: Path, *, signed: bool = True) -> Path:
        return pack(content, self.folder / "b.tar", self.key if signed else None, 1)


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


def take(publisher: Publisher, bundle: Path, revoked: Path = Path("/none")) -> str:
    return verified(bundle, publisher.folder / "into", publisher.keys, revoked).version


def refused(publisher: Publisher, bundle: Path, revoked: Path = Path("/none")) -> str:
    with pytest.raises(BundleError) as caught:
        take(publisher, bundle, revoked)
    return caught.value.message


def test_bundle_when_signed_by_a_known_key_then_taken(publisher: Publisher) -> None:
    assert take(publisher, publisher.bundle(publisher.content())) == "1.1+deb12"


def test_bundle_when_signed_by_another_key_then_refused(publisher: Publisher) -> None:
    bundle = publisher.bundle(publisher.content())
    (publisher.folder / "other").mkdir()
    publisher.keys.write_text(Publisher(publisher.folder / "other").keys.read_text())
    assert refused(publisher, bundle) == "upgrade.wrong_signature"


def test_bundle_when_signed_for_something_else_then_refused(publisher: Publisher) -> None:
    content = publisher.content()
    publisher.bundle(content)  # which writes the sums
    (content / "SHA256SUMS.sig").unlink()
    sign(content, publisher.key, namespace="git")
    bundle = publisher.folder / "b.tar"
    _as_it_is(content, bundle)
    assert refused(publisher, bundle) == "upgrade.wrong_signature"


def test_bundle_when_its_key_is_revoked_then_refused(publisher: Publisher) -> None:
    bundle = publisher.bundle(publisher.content())
    revoked = publisher.folder / "revoked"
    revoked.write_text(publisher.key.with_suffix(".pub").read_text())
    assert refused(publisher, bundle, revoked) == "upgrade.wrong_signature"


def test_bundle_when_not_signed_then_refused(publisher: Publisher) -> None:
    bundle = publisher.bundle(publisher.content(), signed=False)
    assert refused(publisher, bundle) == "upgrade.unsigned"


def test_box_when_it_knows_no_key_then_refused_with_where_it_belongs(publisher: Publisher) -> None:
    bundle = publisher.bundle(publisher.content())
    publisher.keys.unlink()
    assert refused(publisher, bundle) == "upgrade.no_keys"


@pytest.mark.parametrize("change", ["changed", "added", "missing"])
def test_bundle_when_a_file_of_it_is_another_then_refused(
    publisher: Publisher, change: str
) -> None:
    content = publisher.content()
    publisher.bundle(content)
    if change == "changed":
        (content / "install.sh").write_text("#!/bin/sh\nrm -r /\n")
    elif change == "added":
        (content / "more.deb").write_text("")
    else:
        (content / "install.sh").unlink()
    bundle = publisher.folder / "b.tar"
    _as_it_is(content, bundle)
    assert refused(publisher, bundle) == "upgrade.damaged"


@pytest.mark.parametrize("other", [{"arch": "s390x"}, {"name": "other"}])
def test_bundle_when_for_another_box_or_program_then_refused(
    publisher: Publisher, other: dict[str, str]
) -> None:
    bundle = publisher.bundle(publisher.content(**other))
    assert refused(publisher, bundle) == "upgrade.wrong_box"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\xff" * 5000])
def test_file_when_it_is_no_bundle_then_refused(publisher: Publisher, content: bytes) -> None:
    file = publisher.folder / "b.tar"
    file.write_bytes(content)
    assert refused(publisher, file) in ("upgrade.no_bundle", "upgrade.unsigned")


def test_bundle_when_its_names_lead_elsewhere_then_nothing_is_written_there(
    publisher: Publisher,
) -> None:
    bundle = publisher.folder / "b.tar"
    with tarfile.open(bundle, "w") as archive:
        for name in ("../../outside", "/outside"):
            link = tarfile.TarInfo(name.replace("outside", "link"))
            link.type, link.linkname = tarfile.SYMTYPE, str(publisher.folder)
            archive.addfile(link)
        data = b"x"
        member = tarfile.TarInfo("../../outside")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    assert refused(publisher, bundle) == "upgrade.unsigned"
    assert [file.name for file in (publisher.folder / "into").iterdir()] == ["outside"]
    assert not (publisher.folder / "outside").exists()


def test_bundle_when_packed_twice_then_the_same_bytes(publisher: Publisher) -> None:
    content = publisher.content()
    first = hashlib.sha256(publisher.bundle(content).read_bytes()).digest()
    assert hashlib.sha256(publisher.bundle(content).read_bytes()).digest() == first


def _as_it_is(content: Path, bundle: Path) -> None:
    with tarfile.open(bundle, "w") as archive:
        for file in sorted(content.iterdir()):
            archive.add(file, f"jiahe/{file.name}")
