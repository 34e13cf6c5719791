"""What is generated is current, and what is compiled gave the compiler nothing to say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest


def test_build_log_when_read_then_no_hint_and_no_warning(project: Path) -> None:
    """A Cython performance hint is a hidden call into Python: 31 ns for each in a hot loop."""
    log = project / ".build.log"
    assert log.exists(), "there is no .build.log: run make setup"
    said = [
        line
        for line in log.read_text().splitlines()
        if re.search("performance hint|warning:", line)
    ]
    assert not said


def test_native_when_listed_then_no_object_without_its_source(project: Path) -> None:
    floors = (project / "native", project / "drivers")
    objects = {
        file.parent / file.name.split(".")[0] for each in floors for file in each.rglob("*.so")
    }
    sources = {file.with_suffix("") for each in floors for file in each.rglob("*.pyx")}
    assert objects == sources, "run make setup; a renamed module leaves its old object behind"


@pytest.mark.slow
def test_proto_when_generated_again_then_the_committed_code_is_the_same(
    project: Path, tmp_path: Path
) -> None:
    subprocess.run([project / "scripts" / "proto", tmp_path], check=True)
    committed = project / "proto" / "gen"
    assert _contents(tmp_path) == _contents(committed), "run make proto and commit proto/gen"


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.suffix in {".py", ".pyi"}
    }
