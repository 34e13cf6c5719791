"""The offline bundle: our package, the Python that it needs, sums, a signature, install.sh."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from gateway.upgrade.bundle import NAMESPACE
from package.content import FILES
from package.deb import field
from package.sysroot import Apt
from package.target import Target


def make(target: Target, package: Path, into: Path, key: Path | None, epoch: int) -> Path:
    """The bundle; `key` signs it."""
    python = f"python{target.suite.python}"
    with tempfile.TemporaryDirectory(prefix="jiahe-bundle-") as folder:
        content = Path(folder, "content")
        content.mkdir()
        shutil.copyfile(package, content / package.name)
        needed = (python, *target.suite.libraries, "libstdc++6", "openssh-client")
        for file in Apt(target.suite, target.arch).fetch(needed):
            if field(file, "Priority") != "required":  # which every Debian has
                shutil.copyfile(file, content / file.name)
        script = (FILES / "install.sh").read_text(encoding="utf-8")
        script = script.replace("@ARCH@", target.arch).replace("@SUITE@", target.suite.name)
        (content / "install.sh").write_text(script, encoding="utf-8")
        version = field(package, "Version").partition("+")[0]
        return pack(content, into / f"jiahe-{version}-{target}.tar", key, epoch)


def pack(content: Path, made: Path, key: Path | None, epoch: int) -> Path:
    """Sums, signature and archive of all files of `content`."""
    for name in ("SHA256SUMS", "SHA256SUMS.sig"):
        (content / name).unlink(missing_ok=True)
    sums = "".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        for file in sorted(content.iterdir())
    )
    (content / "SHA256SUMS").write_text(sums, encoding="utf-8")
    if key is not None:
        sign(content, key)
    made.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(made, "w") as archive:
        for file in sorted(content.iterdir()):
            member = archive.gettarinfo(file, f"{made.stem}/{file.name}")
            member.uid = member.gid = 0
            member.uname = member.gname = "root"
            member.mtime = epoch
            member.mode = 0o755 if file.suffix == ".sh" else 0o644
            with file.open("rb") as data:
                archive.addfile(member, data)
    return made


def sign(content: Path, key: Path, namespace: str = NAMESPACE) -> None:
    """By ssh-keygen(1), which every box has."""
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace, "SHA256SUMS"]
    subprocess.run(command, cwd=content, check=True, capture_output=True)
