"""A laid out folder and its paperwork, packed as .deb; the same content makes the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from package.content import FILES, ROOT, Product, placed
from package.target import Target
from package.wheels import Wheel

MAINTAINER = "Jiahe maintainers <maintainers@jiahe.example>"
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


def version_of(release: str, target: Target) -> str:
    """As Debian orders it: a release candidate before its release, one build a Debian release."""
    return re.sub(r"(\d)(a|b|rc)(\d)", r"\1~\2\3", release) + f"+deb{target.suite.number}"


def paperwork(product: Product, target: Target, tree: Path, wheels: Sequence[Wheel],
              release: str, epoch: int) -> None:  # fmt: skip
    """Changelog, copyright, overrides, control files, maintainer scripts."""
    version = version_of(release, target)
    documents = tree / "usr/share/doc" / product.name
    documents.mkdir(parents=True, exist_ok=True)
    (documents / "copyright").write_text(_copyright(product, wheels), encoding="utf-8")
    changes = _changelog(product, target, version, epoch).encode()
    (documents / "changelog.gz").write_bytes(gzip.compress(changes, 9, mtime=0))
    overrides = tree / "usr/share/lintian/overrides" / product.name
    overrides.parent.mkdir(parents=True)
    said = (FILES / "lintian-overrides").read_text() + _own(product, "lintian-overrides")
    overrides.write_text(said.replace("@PACKAGE@", product.name).replace("@ARCH@", target.arch))
    control = tree / "DEBIAN"
    control.mkdir()
    (control / "control").write_text(_control(product, target, tree, version), encoding="utf-8")
    enabled = [Path(place).name for file, place in placed(product, target)
               if place.endswith((".service", ".path", ".timer"))
               and "[Install]" in file.read_text(encoding="utf-8")]  # fmt: skip
    for script in SCRIPTS:
        if text := _own(product, script):
            path = control / script
            path.write_text(text.replace("@UNITS@", " ".join(enabled)), encoding="utf-8")
            path.chmod(0o755)
    (control / "md5sums").write_text(_sums(tree), encoding="utf-8")


def _own(product: Product, name: str) -> str:
    file = FILES / product.name / name
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _control(product: Product, target: Target, tree: Path, version: str) -> str:
    size = sum(f.stat().st_size for f in tree.rglob("*") if f.is_file() and "DEBIAN" not in f.parts)
    fields = {
        "Package": product.name,
        "Version": version,
        "Architecture": target.arch,
        "Maintainer": MAINTAINER,
        "Installed-Size": str(-(-size // 1024)),
        "Depends": ", ".join(_depends(product, target)),
        "Recommends": ", ".join(product.recommends),
        "Section": "net",
        "Priority": "optional",
        "Description": product.summary,
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if value]
    return "\n".join([*lines, *(f" {line}" for line in product.description.splitlines())]) + "\n"


def _depends(product: Product, target: Target) -> list[str]:
    """Extension modules are for one Python alone; it stays when the system's own moves on."""
    libraries = target.suite.libraries if product.native else ()
    others = [each if each != "libc6" else f"libc6 (>= {target.suite.glibc})"
              for each in product.depends]  # fmt: skip
    return [f"python{target.suite.python}", *others, *libraries]


def _changelog(product: Product, target: Target, version: str, epoch: int) -> str:
    date = format_datetime(datetime.fromtimestamp(epoch, UTC))
    return (
        f"{product.name} ({version}) {target.suite.name}; urgency=medium\n\n"
        "  * What changed for users stands in the project's CHANGELOG.md.\n\n"
        f" -- {MAINTAINER}  {date}\n"
    )


def _copyright(product: Product, wheels: Sequence[Wheel]) -> str:
    """In Debian's machine readable form, with the texts that the dependencies bring."""
    paragraphs = [
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
        "Upstream-Name: Jiahe",
        "Files: *\nCopyright: 2026 The Jiahe authors\nLicense: Apache-2.0",
    ]
    licences: dict[str, str] = {}
    for wheel in wheels:
        files = " ".join(_places(wheel, product))
        paragraphs.append(
            f"Files: {files}\nCopyright: {wheel.author}\nLicense: {_label(wheel)}\n"
            f"Comment: {wheel.name} {wheel.version}"
        )
        own = [text for text in wheel.licences.values() if "Apache License" not in text]
        licences[_label(wheel)] = "\n".join(own)
    licences["Apache-2.0"] = (
        "On Debian systems the text of this licence lies in\n/usr/share/common-licenses/Apache-2.0."
    )
    for label, text in sorted(licences.items()):
        lines = (text or _BSD).expandtabs().splitlines()
        body = "\n".join(f" {line.rstrip()}" if line.strip() else " ." for line in lines)
        paragraphs.append(f"License: {label}\n{body}")
    return "\n\n".join(paragraphs) + "\n"


def _label(wheel: Wheel) -> str:
    """A licence text that names its holder is one of the wheel's own."""
    label = "-or-".join(wheel.license.split(" OR "))
    return label if label == "Apache-2.0" else f"{label}-{wheel.name}"


#: Of wheels that bring no text of it.
_BSD = """\
Redistribution and use in source and binary forms, with or without modification, are permitted
provided that the following conditions are met:
 * Redistributions of source code must retain the above copyright notice, this list of conditions
   and the following disclaimer.
 * Redistributions in binary form must reproduce the above copyright notice, this list of conditions
   and the following disclaimer in the documentation and/or other materials provided with the
   distribution.
 * Neither the name of the copyright holder nor the names of its contributors may be used to endorse
   or promote products derived from this software without specific prior written permission.
THIS SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED."""


def _places(wheel: Wheel, product: Product) -> list[str]:
    return [f"usr/lib/{product.name}/{top}" for top in wheel.tops]


def _sums(tree: Path) -> str:
    lines = []
    for file in sorted(tree.rglob("*")):
        if file.is_file() and (name := file.relative_to(tree)).parts[0] != "DEBIAN":
            digest = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
            lines.append(f"{digest}  {name}\n")
    return "".join(lines)


def field(package: Path, name: str) -> str:
    """Of a package's control file."""
    asked = ["dpkg-deb", "--field", str(package), name]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def pack(tree: Path, into: Path, name: str, epoch: int) -> Path:
    """The .deb, under its Debian name."""
    for file in [tree, *tree.rglob("*")]:
        is_program = file.parent.name == "bin" or file.name in SCRIPTS
        file.chmod(0o755 if file.is_dir() or is_program else 0o644)
        os.utime(file, (epoch, epoch), follow_symlinks=False)
    into.mkdir(parents=True, exist_ok=True)
    made = into / f"{name}.deb"
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--threads-max=1", "--build"]
    command += [str(tree), str(made)]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return made


def epoch_of_sources() -> int:
    """SOURCE_DATE_EPOCH, else the time of the last commit, else that of the changelog."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    if shutil.which("git") and (ROOT / ".git").exists():
        asked = ["git", "log", "-1", "--format=%ct"]
        done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.strip():
            return int(done.stdout)
    return int((ROOT / "CHANGELOG.md").stat().st_mtime)
