"""What each package holds, laid out in a folder as it will lie on the box."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from package.compiler import compiled
from package.sysroot import python_of
from package.target import ARCHITECTURES, Target
from package.wheels import Wheel, unpack

ROOT = Path(__file__).resolve().parent.parent
FILES = Path(__file__).parent / "files"

#: Where a file of the folder of units belongs, by its ending; `{name}` is what stands before that.
_PLACES = {
    ".service": "{units}/{name}.service",
    ".path": "{units}/{name}.path",
    ".timer": "{units}/{name}.timer",
    ".sysusers": "usr/lib/sysusers.d/{name}.conf",
    ".tmpfiles": "usr/lib/tmpfiles.d/{name}.conf",
    ".sysctl": "usr/lib/sysctl.d/60-{name}.conf",
    ".rules": "{rules}/{name}.rules",
    ".polkit": "usr/share/polkit-1/rules.d/{name}.rules",
    ".example.toml": "usr/share/{package}/{name}.example.toml",
    ".example.conf": "usr/share/{package}/{name}.example.conf",
}


@dataclass(frozen=True, slots=True)
class Product:
    """One package."""

    name: str
    summary: str
    description: str
    floors: tuple[str, ...]  # our packages of Python that it holds
    native: bool  # whether it holds the compiled floor
    lock: str
    programs: dict[str, str]  # name on the path: module that has its `main`
    units: Path  # the folder of its units
    depends: tuple[str, ...]
    recommends: tuple[str, ...]
    architectures: tuple[str, ...]


BOX = Product(
    name="jiahe",
    summary="edge gateway: reads machines, buffers, streams to a platform",
    description="""\
Reads machine tools, robots, meters and controllers over Modbus, S7, DL/T 645
and MTConnect, keeps every scan on disk until the platform has acknowledged
it, and streams it there over gRPC.
.
All that it needs beside Debian's Python lies in a folder of its own.""",
    floors=("gateway", "drivers", "native", "jiahe", "usage"),
    native=True,
    lock="requirements.lock",
    programs={"jiahe": "gateway.cli.main", "jiahe-sim": "drivers.simulate"},
    units=ROOT / "systemd",
    depends=("libc6", "libstdc++6", "systemd", "udev"),
    recommends=("openssh-client",),
    architectures=ARCHITECTURES,
)
RECEIVER = Product(
    name="jiahe-ingest",
    summary="reference receiver of the Jiahe edge gateway",
    description="""\
Receives what Jiahe gateways send over gRPC, acknowledges it when its store
has made it durable, and exports and audits what arrived.
.
All that it needs beside Debian's Python lies in a folder of its own.""",
    floors=("ingest", "jiahe", "usage"),
    native=False,
    lock="requirements-ingest.lock",
    programs={"jiahe-ingest": "ingest.main"},
    units=FILES / "jiahe-ingest",
    depends=("libc6", "libstdc++6", "systemd"),
    recommends=(),
    architectures=("amd64", "arm64"),  # servers; PyPI has no zstandard for armhf
)
PRODUCTS = {product.name: product for product in (BOX, RECEIVER)}


def lay_out(
    product: Product, target: Target, tree: Path, work: Path, pages: Callable[[str, str], bytes]
) -> list[Wheel]:
    """Everything but the package's own paperwork; the dependencies that are inside."""
    private = tree / "usr/lib" / product.name
    private.mkdir(parents=True)
    wheels = unpack(target, ROOT / product.lock, private, work)
    _our_python(product, private)
    if product.native:
        native = compiled(target, ROOT, ROOT / "build/package", work)
        shutil.copytree(native, private, dirs_exist_ok=True)
    _bytecode(target, private, product)
    for program, module in product.programs.items():
        _write(tree / "usr/bin" / program, _launcher(product, target, program, module), 0o755)
        completion = tree / "usr/share/bash-completion/completions" / program
        _write(completion, pages(program, "completion").decode())
        for lang, folder in (("en", "man"), ("zh", "man/zh_CN")):
            page = tree / "usr/share" / folder / "man1" / f"{program}.1.gz"
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_bytes(gzip.compress(pages(program, lang), 9, mtime=0))
    for source, place in placed(product, target):
        _write(tree / place, source.read_text(encoding="utf-8"))
    return wheels


def placed(product: Product, target: Target) -> list[tuple[Path, str]]:
    """Each unit, rule and example, and where it belongs."""
    found = []
    for file in sorted(product.units.iterdir()):
        for ending, place in _PLACES.items():
            if file.name.endswith(ending):
                suite = target.suite
                name = file.name.removesuffix(ending)
                where = {"units": suite.units, "rules": suite.rules, "package": product.name}
                found.append((file, place.format(name=name, **where)))
    return found


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def _our_python(product: Product, private: Path) -> None:
    """What runs, and the data beside it; neither sources of extension modules nor types."""
    for floor in product.floors:
        source = ROOT / ("proto/gen/jiahe" if floor == "jiahe" else floor)
        for file in sorted(source.rglob("*")):
            if file.suffix in (".py", ".toml", ".csv") and file.name != "quality.toml":
                place = private / floor / file.relative_to(source)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)


def _bytecode(target: Target, private: Path, product: Product) -> None:
    """Compiled once here, never on the box: half of a start's time on ARM. Taken unchecked."""
    python, environment = python_of(target.suite)
    command: Sequence[str] = [
        *python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash",
        "-s", str(private), "-p", f"/usr/lib/{product.name}", str(private),
    ]  # fmt: skip
    subprocess.run(command, check=True, env={**environment, "PYTHONHASHSEED": "0"})


def _launcher(product: Product, target: Target, program: str, module: str) -> str:
    return f'''\
#!/usr/bin/python{target.suite.python} -I
"""Starts {program} with the modules of its own folder, before any other of the same names."""

import os
import sys

sys.path.insert(0, "/usr/lib/{product.name}")
os.environ["PYTHONPATH"] = "/usr/lib/{product.name}"  # for the processes that it starts
try:
    from {module} import main
except ImportError as error:
    sys.exit(
        f"{program}: 缺少一部分：{{error}}。重新安装：apt-get install --reinstall {product.name}\\n"
        f"{program}: a part is missing: {{error}}. Install it anew, as above."
    )
sys.exit(main())
'''
