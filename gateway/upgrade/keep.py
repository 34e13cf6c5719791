"""A package of what is installed, so that it can be put back: no file of it was kept elsewhere."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from gateway.upgrade.bundle import said

_SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "md5sums")


def installed() -> str:
    """The version of the package that is installed; "" where none is."""
    asked = ["dpkg-query", "--show", "--showformat=${Status}\t${Version}", "jiahe"]
    told = subprocess.run(asked, capture_output=True, text=True).stdout
    state, _, version = told.partition("\t")
    return version if state == "install ok installed" else ""


def repack(into: Path, work: Path, root: Path = Path("/")) -> None:
    """Make `into`, a .deb that is not compressed, of what is installed in `root`. No file of it is
    one that people change.
    """
    shutil.rmtree(work, ignore_errors=True)
    control = work / "DEBIAN"
    control.mkdir(parents=True)
    query = ("dpkg-query", f"--admindir={root / 'var/lib/dpkg'}")
    for listed in said(*query, "--listfiles", "jiahe").splitlines():
        source, target = root / listed.lstrip("/"), work / listed.lstrip("/")
        if source.is_dir():  # /lib is a link; in a package it is none
            target.mkdir(parents=True, exist_ok=True)
        elif source.exists():  # documentation may have been left out by dpkg's options
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    for name in _SCRIPTS:
        kept = root / f"var/lib/dpkg/info/jiahe.{name}"
        if kept.exists():
            shutil.copy2(kept, control / name)
    fields = said(*query, "--status", "jiahe").splitlines()
    kept_fields = [line for line in fields if not line.startswith("Status:")]
    (control / "control").write_text("\n".join(kept_fields) + "\n", encoding="utf-8")
    pack = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(work), str(into)]
    subprocess.run(pack, check=True, capture_output=True)
    shutil.rmtree(work)
