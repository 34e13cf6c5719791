"""A bundle's file: unpacked, its signature and sums verified, its package looked at.

It is verified by key and by a rising version, never by a clock: a box may wake in 1970.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from drivers.said import SaidError

#: Whose signature counts, as ssh-keygen(1) has it under ALLOWED SIGNERS, and those that do no more.
KEYS = Path("/etc/jiahe/upgrade-keys")
REVOKED = Path("/etc/jiahe/upgrade-revoked")
#: What a signature is for, so that one made for something else counts for nothing here.
NAMESPACE = "jiahe-upgrade"
SIGNER = "jiahe"
#: More than any bundle holds.
FILES_MAX = 200
BYTES_MAX = 500_000_000


class BundleError(SaidError):
    """The file is no bundle for this box. `message` is an id of gateway/messages."""


@dataclass(frozen=True, slots=True)
class Bundle:
    package: Path  # our .deb
    version: str


def verified(file: Path, into: Path, keys: Path = KEYS, revoked: Path = REVOKED) -> Bundle:
    """Unpacked into `into`, which only root may write. Raises BundleError."""
    _unpack(file, into)
    _signed(into, keys, revoked)
    _whole(into)
    packages = sorted(into.glob("jiahe_*.deb"))
    if len(packages) != 1:
        raise BundleError("upgrade.no_bundle", file=str(file))
    return Bundle(packages[0], _fits(packages[0]))


def _unpack(file: Path, into: Path) -> None:
    """Plain files by their own name only: no path of the archive leads anywhere."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True, mode=0o700)
    taken = 0
    try:
        with tarfile.open(file, "r:") as archive:
            for count, member in enumerate(archive):
                taken += member.size
                if count >= FILES_MAX or taken > BYTES_MAX:
                    raise BundleError("upgrade.no_bundle", file=str(file))
                content = archive.extractfile(member) if member.isreg() else None
                if content is not None:
                    with content, (into / Path(member.name).name).open("xb") as target:
                        shutil.copyfileobj(content, target)
    except (tarfile.TarError, FileExistsError, EOFError) as error:
        raise BundleError("upgrade.no_bundle", file=str(file)) from error


def _signed(folder: Path, keys: Path, revoked: Path) -> None:
    if not keys.exists():
        raise BundleError("upgrade.no_keys", keys=str(keys))
    if not all((folder / name).exists() for name in ("SHA256SUMS", "SHA256SUMS.sig")):
        raise BundleError("upgrade.unsigned")
    command = ["ssh-keygen", "-Y", "verify", "-f", str(keys), "-I", SIGNER, "-n", NAMESPACE]
    command += ["-s", str(folder / "SHA256SUMS.sig")]
    command += ["-r", str(revoked)] if revoked.exists() else []
    sums = (folder / "SHA256SUMS").read_bytes()
    try:
        done = subprocess.run(command, input=sums, capture_output=True)
    except FileNotFoundError as error:
        raise BundleError("upgrade.no_ssh_keygen") from error
    if done.returncode:
        detail = done.stderr.decode(errors="replace").strip()
        raise BundleError("upgrade.wrong_signature", detail=detail, keys=str(keys))


def _whole(folder: Path) -> None:
    """Every file is named by the sums, and is what they say."""
    named = {}
    for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        named[name] = digest
    for file in sorted(folder.iterdir()):
        if file.name not in ("SHA256SUMS", "SHA256SUMS.sig"):
            with file.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            if named.pop(file.name, None) != digest:
                raise BundleError("upgrade.damaged", file=file.name)
    if named:
        raise BundleError("upgrade.damaged", file=sorted(named)[0])


def _fits(package: Path) -> str:
    """The package's version. Raises BundleError where it is for another processor or another
    program.
    """
    name, arch, version = (field(package, each) for each in ("Package", "Architecture", "Version"))
    own = said("dpkg", "--print-architecture")
    if name != "jiahe" or arch != own:
        raise BundleError("upgrade.wrong_box", name=name, arch=arch, own=own)
    return version


def field(package: Path, name: str) -> str:
    return said("dpkg-deb", "--field", str(package), name)


def said(*command: str) -> str:
    """What a program of Debian's says."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
