"""The package for ARM runs, emulated program by program; hw_tests has a kernel and systemd too."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from package.deb import field
from tests.package.conftest import EMULATOR, TARGET

GATEWAY = """\
version = 1
[gateway]
id = "arm-1"
language = "en"
control = "control.sock"
[platform]
address = "127.0.0.1:9"
insecure = true
[buffer]
path = "buffer"
[links.robots]
type = "tcp"
address = "{address}"
[devices.robot]
link = "robots"
driver = "modbus"
unit = 1
profile = "universal-robots"
every = "100 ms"
"""


#: The processor as readelf calls it.
MACHINE = {"arm64": "AArch64", "armhf": "ARM"}[TARGET.arch]
#: How often the daemon is asked; each time is a process under emulation, most of a second.
ASKED_MAX = 60


#: A root with this machine's processes, devices and temporary files. QEMU's own way to hide a root
#: behind another (-L) does not reach all that 32-bit programs ask (statx).
_INSIDE = """
for each in proc dev tmp; do mkdir -p "$0/$each" && mount --rbind "/$each" "$0/$each"; done
exec chroot "$0" "$@"
"""


def emulated(root: Path, program: str, *arguments: str | Path) -> list[str]:
    """The command that runs a program of the package in `root`, where paths are the package's."""
    private = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    command = ["unshare", *private, "sh", "-ec", _INSIDE, str(root), EMULATOR]
    command += [f"/usr/bin/python{TARGET.suite.python}", "-I", f"/usr/bin/{program}"]
    return [*command, *map(str, arguments)]


def run(root: Path, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        emulated(root, program, *arguments), capture_output=True, text=True, timeout=60
    )


def test_version_when_asked_on_arm_then_told(root: Path) -> None:
    done = run(root, "jiahe", "--version")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"jiahe \S+ \(Python 3\.11\.\d+, \S+\)\n", done.stdout)


def test_example_when_checked_on_arm_then_accepted(root: Path) -> None:
    done = run(root, "jiahe", "check", "/usr/share/jiahe/gateway.example.toml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_daemon_when_it_reads_a_simulator_on_arm_then_good_values_and_a_clean_stop(
    root: Path, tmp_path: Path
) -> None:
    with subprocess.Popen(
        emulated(root, "jiahe-sim", "universal-robots", "--tcp", "127.0.0.1:0", "--json"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as simulator:
        assert simulator.stdin is not None
        assert simulator.stdout is not None
        (address,) = json.loads(simulator.stdout.readline())["tcp"]
        config = tmp_path / "gateway.toml"
        config.write_text(GATEWAY.format(address=address), encoding="utf-8")
        with (
            (tmp_path / "log").open("w") as log,
            subprocess.Popen(
                emulated(root, "jiahe", "run", "--config", config), stderr=log, stdout=log
            ) as daemon,
        ):
            try:
                said = _asked_until_good(root, config)
            finally:
                daemon.send_signal(signal.SIGTERM)
                status = daemon.wait(timeout=60)
        simulator.stdin.close()
    log_text = (tmp_path / "log").read_text(encoding="utf-8")
    assert is_good(said), f"{said}\n{log_text}"
    assert status == 0, log_text
    assert "Traceback" not in log_text
    assert list((tmp_path / "buffer").glob("*.seg"))


def is_good(said: dict[str, Any]) -> bool:
    return [each["state"] for each in said.get("devices", [])] == ["good"]


def _asked_until_good(root: Path, config: Path) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for _ in range(ASKED_MAX):
        done = run(root, "jiahe", "status", "--json", "--config", config)
        if done.returncode == 0:
            said = json.loads(done.stdout)
            if is_good(said):
                break
    return said


def test_modules_when_loaded_then_by_libraries_and_symbols_that_the_package_asks_for(
    root: Path,
) -> None:
    modules = sorted((root / "usr/lib/jiahe").rglob("*.so*"))
    assert len(modules) > 50
    newest = tuple(map(int, TARGET.suite.glibc.split(".")))
    there = {file.name for file in (root / "usr/lib").rglob("*.so*")}
    for module in modules:
        asked = ["readelf", "-hdVW", module]
        told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
        assert re.search(rf"Machine: +{MACHINE}", told), module
        for library in re.findall(r"\(NEEDED\).*\[(.*)\]", told):
            assert library in there, f"{module.name} needs {library}, which no dependency brings"
        wanted = {tuple(map(int, each.split("."))) for each in re.findall(r"GLIBC_([\d.]+)", told)}
        assert all(each <= newest for each in wanted), f"{module.name}: {max(wanted)}"


def test_package_when_built_then_small(package: Path) -> None:
    assert package.stat().st_size <= 10e6
    assert int(field(package, "Installed-Size")) * 1024 <= 40e6


def test_package_when_looked_at_by_lintian_then_clean(package: Path) -> None:
    command = ["lintian", "--allow-root", "--fail-on=error,warning", package]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_configuration_when_packed_then_only_as_an_example(package: Path) -> None:
    listed = subprocess.run(
        ["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True
    ).stdout
    assert " ./etc/" not in listed
    assert " ./usr/share/jiahe/gateway.example.toml" in listed
    control = subprocess.run(
        ["dpkg-deb", "--info", package], check=True, capture_output=True, text=True
    ).stdout
    assert "conffiles" not in control


def test_bill_when_read_then_every_locked_dependency_is_in_it(root: Path, project: Path) -> None:
    bill = json.loads((root / "usr/share/jiahe/sbom.cdx.json").read_text(encoding="utf-8"))
    inside = {(each["name"], each["version"]) for each in bill["components"]}
    lock = (project / "requirements.lock").read_text(encoding="utf-8")
    assert inside == set(re.findall(r"(?m)^([\w.-]+)==(\S+)", lock))
    assert all(each["licenses"][0]["expression"] != "unknown" for each in bill["components"])


@pytest.mark.parametrize("module", ["gateway/cli/main", "drivers/simulate", "grpc/__init__"])
def test_bytecode_when_shipped_then_it_is_taken_without_a_look_at_its_source(
    root: Path, module: str
) -> None:
    folder, _, name = (f"usr/lib/jiahe/{module}").rpartition("/")
    compiled = root / folder / "__pycache__" / f"{name}.cpython-311.pyc"
    assert int.from_bytes(compiled.read_bytes()[4:8], "little") == 0b01  # PEP 552: hash, unchecked
