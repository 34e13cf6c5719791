"""No import runs upward, and none in a circle: native -> drivers -> gateway; ingest stands apart.

Python is read by `ast`; `ast` can't read Cython, so .pyx and .pxd are read line by line.
"""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: Each floor and the parts of the project that it may import.
FLOORS = {
    "native": {"native"},
    "usage": {"usage"},
    "drivers": {"native", "drivers", "usage"},
    "gateway": {"native", "drivers", "gateway", "jiahe"},
    "ingest": {"ingest", "jiahe", "usage"},
}
#: Each room of native/, and the rooms that it may import; what stands beside them all may. A
#: protocol's room knows the engine, never the other way round, nor another protocol.
ROOMS = {
    "wire": {"wire"},
    "rows": {"rows"},
    "engine": {"engine", "wire", "rows"},
    "block": {"block", "rows"},
    "modbus": {"modbus", "engine", "wire", "rows"},
    "dlt645": {"dlt645", "engine", "wire", "rows"},
    "s7": {"s7", "engine", "wire", "rows"},
}
#: Libraries that a floor must not know.
BANNED = {
    "native": {"asyncio", "grpc", "sqlite3", "google"},
    "drivers": {"asyncio", "grpc", "sqlite3", "google"},
    "gateway": {"sqlite3"},
}
#: What runs in the process of a Python driver, and there only.
HOSTED = {
    "drivers/host/child.py", "drivers/host/connect.py", "drivers/mtconnect/collect.py",
    "drivers/mtconnect/adapter.py",
}  # fmt: skip
OURS = {*FLOORS, "jiahe", "demo", "tests", "hw_tests", "bench"}

_CIMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+)?c?import\s+(.+?)\s*$")


class Import(NamedTuple):
    file: Path
    line: int
    module: str
    names: tuple[str, ...]
    top: bool  # at module level: runs when the file is imported

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}: imports {self.module}"


def _python_imports(file: Path) -> Iterator[Import]:
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    inner = {
        id(node)
        for scope in ast.walk(tree)
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(scope)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, (), id(node) not in inner)
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(file, node.level, node.module or "")
            names = tuple(alias.name for alias in node.names)
            yield Import(file, node.lineno, module, names, id(node) not in inner)


def _absolute(file: Path, level: int, module: str) -> str:
    if level == 0:
        return module
    package = file.relative_to(ROOT).parent.parts
    return ".".join([*package[: len(package) - level + 1], *filter(None, [module])])


def _cython_imports(file: Path) -> Iterator[Import]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not (match := _CIMPORT.match(line.split("#")[0])):
            continue
        module = match.group(1)
        parts = match.group(2).strip("()").split(",")
        names = tuple(part.split()[0] for part in parts if part.strip())
        if module:
            yield Import(file, number, module, names, True)
        else:
            yield from (Import(file, number, name, (), True) for name in names)


def _module(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(floor: str) -> tuple[Import, ...]:
    found: list[Import] = []
    for file in sorted((ROOT / floor).rglob("*")):
        if file.suffix == ".py":
            found += _python_imports(file)
        elif file.suffix in {".pyx", ".pxd"}:
            found += _cython_imports(file)
    return tuple(found)


@pytest.mark.parametrize("floor", FLOORS)
def test_import_when_it_names_our_code_then_never_upward(floor: str) -> None:
    upward = [
        str(item)
        for item in imports(floor)
        if (top := item.module.split(".")[0]) in OURS and top not in FLOORS[floor]
    ]
    assert not upward, f"{floor} may import {sorted(FLOORS[floor])} only"


@pytest.mark.parametrize("floor", BANNED)
def test_import_when_it_names_a_library_then_one_that_the_floor_may_know(floor: str) -> None:
    assert not [
        str(item)
        for item in imports(floor)
        if (library := item.module.split(".")[0]) in BANNED[floor]
        and not (library == "asyncio" and str(item.file.relative_to(ROOT)) in HOSTED)
    ]


def test_host_when_its_side_of_the_daemon_is_loaded_then_without_what_runs_in_the_host() -> None:
    modules = [path.removesuffix(".py").replace("/", ".") for path in sorted(HOSTED)]
    named = {
        str(item.file.relative_to(ROOT)): item
        for floor in FLOORS
        for item in imports(floor)
        if item.module in modules
    }
    assert set(named) <= HOSTED, "named by text only: the daemon starts them as a process"


def test_cli_when_others_import_then_it_is_not_among_them() -> None:
    """What the daemon needs is no part of what a technician types."""
    elsewhere = [i for i in imports("gateway") if ROOT / "gateway" / "cli" not in i.file.parents]
    assert not [str(item) for item in elsewhere if item.module.startswith("gateway.cli")]


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "native" else ""


def test_native_when_a_room_imports_another_then_one_that_it_may() -> None:
    rooms = {path.name for path in (ROOT / "native").iterdir() if path.is_dir()}
    assert rooms - {"__pycache__"} == ROOMS.keys()
    strangers = []
    for item in imports("native"):
        room = item.file.relative_to(ROOT / "native").parts[0]
        named = {_room(f"{item.module}.{name}") for name in item.names} | {_room(item.module)}
        if room in ROOMS and (named & ROOMS.keys()) - ROOMS[room]:
            strangers.append(str(item))
    assert not strangers


def test_engine_and_wire_when_they_speak_of_a_protocol_then_by_its_table() -> None:
    """No function code, no framing, no transaction: only `native/engine/protocol.pxd`."""
    words = re.compile(r"\b(framing|holding|coil|transaction|rtu|mbap|cotp)\b", re.IGNORECASE)
    said = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for room in ("engine", "wire", "rows")
        for file in sorted((ROOT / "native" / room).iterdir())
        if file.suffix in {".pyx", ".pxd"}
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if words.search(line)
    ]
    assert not said


def test_native_when_it_imports_then_the_standard_library_or_itself() -> None:
    known = sys.stdlib_module_names | {"native", "libc", "cpython", "cython", "posix"}
    assert not [str(item) for item in imports("native") if item.module.split(".")[0] not in known]


def test_cli_when_a_command_is_imported_then_neither_grpc_nor_asyncio() -> None:
    heavy = {"grpc", "asyncio"}
    cli = ROOT / "gateway" / "cli"
    assert not [
        str(item)
        for item in imports("gateway")
        if item.top
        and item.file.is_relative_to(cli)
        and item.file.name != "run.py"
        and item.module.split(".")[0] in heavy
    ], "import it in the function that needs it: `jiahe status` must answer at once"


def test_cli_when_all_its_modules_are_loaded_then_grpc_is_not() -> None:
    cli = ROOT / "gateway" / "cli"
    apart = {"run.py", "__main__.py"}
    names = [_module(file) for file in sorted(cli.rglob("*.py")) if file.name not in apart]
    script = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    script += "sys.exit('grpc is loaded' if 'grpc' in sys.modules else 0)"
    done = subprocess.run(
        [sys.executable, "-c", script, *names], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_daemon_when_it_reads_modbus_alone_then_nothing_is_loaded_that_others_need(
    tmp_path: Path,
) -> None:
    """Half a megabyte of a box's memory each: archives, the search for mistyped words, drivers."""
    config = tmp_path / "gateway.toml"
    config.write_text(
        'version = 1\n[gateway]\nid = "x"\n[platform]\naddress = "127.0.0.1:1"\n'
        'insecure = true\n[links.a]\ntype = "tcp"\naddress = "10.0.0.1"\n'
        '[devices.m]\nlink = "a"\ndriver = "modbus"\nunit = 1\nevery = "1 s"\n'
        '[devices.m.tags]\nt = { address = "holding:0", type = "int16" }\n'
    )
    script = (
        "import sys, pathlib, gateway.cli.main, gateway.cli.run, gateway.supervisor\n"
        "from gateway.config.loading import load\n"
        "assert load(pathlib.Path(sys.argv[1])).config.devices\n"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, config], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "drivers.modbus" in loaded
    apart = {"shutil", "difflib", "drivers.dlt645", "drivers.mtconnect", "drivers.s7"}
    assert not loaded & apart


def test_modules_when_they_import_each_other_then_never_in_a_circle() -> None:
    modules = {
        _module(file)
        for floor in FLOORS
        for file in (ROOT / floor).rglob("*")
        if file.suffix in {".py", ".pyx", ".pxd"}
    }
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for floor in FLOORS:
        for item in imports(floor):
            inside = {f"{item.module}.{name}" for name in item.names} & modules
            named = inside if item.names and inside else {item.module} & modules
            graph[_module(item.file)] |= named - {_module(item.file)}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail("a circle of imports: " + " <- ".join(error.args[1]))
