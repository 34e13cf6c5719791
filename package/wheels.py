"""The locked dependencies, as the target's interpreter wants them.

pip checks each file against the lock's hash. What PyPI has in Python only is compiled here from its
source, where that is worth it: protobuf on armhf, which would else decode ten times slower.
"""

from __future__ import annotations

import email.message
import email.parser
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from package.compiler import compile_modules, strip
from package.sysroot import cache
from package.target import Target

#: Wheels that are smaller in Python only, and the module that their sources make of them.
_COMPILED_HERE = {"protobuf": "google/_upb/_message"}

#: Parts of a wheel that nothing on a box asks for: what only compilers and type checkers read, the
#: web's authorities (each program here is given its own), zstandard's second implementation, and
#: what of cffi makes bindings (cryptography brings its own, made).
_NEEDLESS = (
    "*.pyi", "py.typed", "*.pyx", "*.pxd", "*.pxi", "*.c", "*.h",
    "grpc/_cython/_credentials/roots.pem", "zstandard/*cffi*",
    "cffi/*", "pycparser/*",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wheel:
    """A dependency as it is inside the package."""

    name: str
    version: str
    license: str
    author: str
    sha256: str
    file: str
    licences: dict[str, str]  # the texts that it brings, by name
    compiled_here: bool
    tops: tuple[str, ...]  # what it puts into the folder


def unpack(target: Target, lock: Path, into: Path, work: Path) -> list[Wheel]:
    """Every package of the lock under `into`."""
    wheels = []
    for file in _downloaded(target, lock):
        before = set(into.rglob("*.so*"))
        there = {each.name for each in into.iterdir()}
        with zipfile.ZipFile(file) as archive:
            archive.extractall(into)
        (info,) = into.glob("*.dist-info")
        tops = {each.name for each in into.iterdir() if each != info} - there
        wheel = _described(info, file, lock, tuple(sorted(tops)))
        shutil.rmtree(info)
        if wheel.name in _COMPILED_HERE and not (set(into.rglob("*.so*")) - before):
            _compile(target, lock, wheel, into, work)
        for module in set(into.rglob("*.so*")) - before:
            strip(target, module)
        wheels.append(wheel)
    for pattern in _NEEDLESS:
        for each in list(into.rglob(pattern)):
            each.unlink()
            if not any(each.parent.iterdir()):
                each.parent.rmdir()
    return wheels


def _downloaded(target: Target, lock: Path) -> list[Path]:
    """One wheel a package; the folder is kept between builds."""
    folder = cache() / "wheels" / f"{target}-{lock.stem}"
    folder.mkdir(parents=True, exist_ok=True)
    number = target.suite.python.replace(".", "")
    which = ["--only-binary=:all:", "--no-deps", "--implementation=cp"]
    which += [f"--python-version={target.suite.python}", f"--abi=cp{number}", "--abi=abi3"]
    which += ["--abi=none", *(f"--platform={each}" for each in target.wheel_platforms)]
    _pip(folder, *which, f"--requirement={lock}")
    pins = {_plain(name): version for name, version in _pins(lock)}
    found = [file for file in sorted(folder.glob("*.whl")) if _is_pinned(file, pins)]
    assert len(found) == len(pins), f"{folder}: not one wheel for each of {sorted(pins)}"
    return found


def _pins(lock: Path) -> list[tuple[str, str]]:
    return re.findall(r"(?m)^([\w.-]+)==([^\s;]+)", lock.read_text())


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_pinned(file: Path, pins: dict[str, str]) -> bool:
    name, version = file.name.split("-")[:2]
    return pins.get(_plain(name)) == version


def _pip(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--require-hashes", f"--dest={folder}", *arguments]
    subprocess.run(command, check=True, env={**os.environ, "PIP_NO_INPUT": "1"})


def _described(info: Path, file: Path, lock: Path, tops: tuple[str, ...]) -> Wheel:
    said = email.parser.Parser().parsestr((info / "METADATA").read_text(encoding="utf-8"))
    texts = {
        each.name: each.read_text(encoding="utf-8", errors="replace")
        for each in sorted(info.rglob("*"))
        if re.match(r"(?i)(licen[cs]e|copying|notice|authors)", each.name) and each.is_file()
    }
    digest = subprocess.run(["sha256sum", file], check=True, capture_output=True, text=True).stdout
    digest = digest.split()[0]
    assert digest in lock.read_text(), f"{file.name} is not what the lock names"
    name = _plain(str(said["Name"]))
    is_pure = "none-any" in file.name
    return Wheel(
        name, str(said["Version"]), _licence(said), _author(said), digest, file.name, texts,
        is_pure and name in _COMPILED_HERE, tops,
    )  # fmt: skip


def _licence(said: email.message.Message) -> str:
    """Its SPDX name."""
    told = str(said["License-Expression"] or said["License"] or "").strip()
    if not told or "\n" in told:
        kinds = [value for key, value in said.items() if key == "Classifier" and "License" in value]
        told = kinds[0].rpartition(" :: ")[2] if kinds else "unknown"
    return {
        "Apache License 2.0": "Apache-2.0",
        "BSD": "BSD-3-Clause",
        "3-Clause BSD License": "BSD-3-Clause",
        "BSD License": "BSD-3-Clause",
        "PSFL": "PSF-2.0",
        "Apache 2.0": "Apache-2.0",
    }.get(told, told)


def _author(said: email.message.Message) -> str:
    told = str(said["Author"] or said["Author-email"] or said["Maintainer"] or said["Name"])
    return re.sub(r"\s*<[^>]*>", "", told).replace("\n", " ").strip('" ')


def _compile(target: Target, lock: Path, wheel: Wheel, into: Path, work: Path) -> None:
    """Its extension module, from the source that the same lock names."""
    folder = cache() / "sources"
    folder.mkdir(parents=True, exist_ok=True)
    only = work / f"{wheel.name}.lock"
    (entry,) = re.findall(
        rf"(?m)^{wheel.name}==(?:.*\\\n)+.*(?=\n)", lock.read_text()
    )  # with its hashes
    only.write_text(f"{entry}\n")
    archive = folder / f"{wheel.name}-{wheel.version}.tar.gz"
    if not archive.exists():
        _pip(
            folder, "--no-deps", "--no-build-isolation", f"--no-binary={wheel.name}",
            f"--requirement={only}",
        )  # fmt: skip
    subprocess.run(["tar", "-xf", archive, "-C", work], check=True)
    source = work / f"{wheel.name}-{wheel.version}"
    made = compile_modules(target, source, into, work, ["-w"])  # their warnings are theirs
    expected = into / f"{_COMPILED_HERE[wheel.name]}{target.module_suffix}"
    assert made == [expected], f"{wheel.name} {wheel.version} made {made}"
