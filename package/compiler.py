"""Extension modules for the target, by a cross compiler against the target's own headers.

What a source tree's setup.py says of its extensions is asked of it, not repeated here.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from package.sysroot import for_compiling
from package.target import Target

#: As Debian builds its own packages; paths of the machine that builds are left out of the result.
FLAGS = [
    "-DNDEBUG", "-fwrapv", "-g0", "-fPIC", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2",
    "-Wformat", "-Werror=format-security",
    "-Wno-unused-result",  # which _FORTIFY_SOURCE asks for even where it is cast to void
]  # fmt: skip
LINK = ["-shared", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,--as-needed", "-Wl,--build-id=none"]

_ASK = """
import json, setuptools
from distutils.core import run_setup
print("\\n" + json.dumps([
    {"name": e.name, "sources": e.sources, "include": e.include_dirs, "libraries": e.libraries,
     "compile": e.extra_compile_args, "link": e.extra_link_args}
    for e in run_setup("setup.py", stop_after="init").ext_modules
]))
"""


@dataclass(frozen=True, slots=True)
class Module:
    """An extension module as setup.py declares it."""

    name: str
    sources: list[str]
    include: list[str]
    libraries: list[str]
    compile: list[str]
    link: list[str]


class CompileError(Exception):
    """What the compiler said."""


def modules_of(source: Path) -> list[Module]:
    """Of the tree whose setup.py lies in `source`; Cython's C is made where it is older."""
    asked = [sys.executable, "-c", _ASK]
    told = subprocess.run(asked, cwd=source, check=True, capture_output=True, text=True).stdout
    return [Module(**each) for each in json.loads(told.rstrip().splitlines()[-1])]


def tool(target: Target, name: str) -> str:
    """A program of the target's tool chain."""
    program = f"{target.triplet}-{name}"
    if not shutil.which(program):
        raise CompileError(f"{program} is missing: scripts/setup --package {target.arch}")
    return program


def compiled(target: Target, source: Path, kept: Path, work: Path) -> Path:
    """A folder of the tree's extension modules, made where `kept` has none of these sources."""
    modules = modules_of(source)
    recipe = hashlib.sha256(" ".join([*FLAGS, *LINK, for_compiling(target).name]).encode())
    for module in modules:
        recipe.update(repr(module).encode())
        for file in module.sources:
            recipe.update((source / file).read_bytes())
    folder = kept / f"{target}-{recipe.hexdigest()[:12]}"
    if not folder.exists():
        for old in kept.glob(f"{target}-*"):
            shutil.rmtree(old)
        made = work / "native"
        compile_modules(target, source, made, work)
        kept.mkdir(parents=True, exist_ok=True)
        shutil.move(made, folder)
    return folder


def compile_modules(
    target: Target, source: Path, into: Path, work: Path, more: Sequence[str] = ()
) -> list[Path]:
    """Every extension module of `source`, stripped, under `into`; where each one lies. `more`:
    flags for the compiler, whose warnings are errors.
    """
    with ThreadPoolExecutor() as pool:
        made = pool.map(
            lambda module: _compile(target, source, module, into, work, more), modules_of(source)
        )
        return list(made)


def _compile(target: Target, source: Path, module: Module, into: Path, work: Path,
             more: Sequence[str]) -> Path:  # fmt: skip
    root = for_compiling(target)
    gcc = [tool(target, "gcc"), f"--sysroot={root}"]
    include = [f"-I{root}/usr/include/python{target.suite.python}"]
    include += [f"-I{folder}" for folder in module.include]
    flags = [*module.compile, *FLAGS, *more, f"-ffile-prefix-map={source}=."]
    objects = []
    for file in module.sources:
        made = work / f"{module.name}-{file.replace('/', '-')}.o"
        _run([*gcc, *flags, *include, "-c", file, "-o", str(made)], source)
        objects.append(str(made))
    path = into.joinpath(*module.name.split(".")).with_suffix(target.module_suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    libraries = [f"-l{name}" for name in module.libraries]
    _run([*gcc, *LINK, *module.link, *objects, *libraries, "-o", str(path)], source)
    strip(target, path)
    return path


def strip(target: Target, file: Path) -> None:
    """Symbols that only a debugger wants take up to half of a module."""
    command = [tool(target, "strip"), "--strip-unneeded", "--remove-section=.comment"]
    _run([*command, "--remove-section=.note", str(file)], file.parent)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode or "warning:" in done.stderr:
        raise CompileError(f"{' '.join(command)}\n{done.stderr}")
