"""`jiahe upgrade FILE`: verify, keep what is installed, hand over to the unit, tell how it went."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from gateway.cli.context import Context, complain, control_of
from gateway.system_errors import reason
from gateway.upgrade.box import STATE, UNIT, Box
from gateway.upgrade.bundle import BundleError, said, verified
from gateway.upgrade.keep import installed, repack
from gateway.upgrade.runner import outcome
from gateway.upgrade.steps import ENDS, PROBE_S, Upgrade

#: What both packages and the copy of the program take, at most.
ROOM_BYTES = 150_000_000


def main(context: Context, options: argparse.Namespace) -> int:
    box = Box(control_of(context.config))
    if os.geteuid():
        complain(context.lang, "upgrade.needs_root")
        return 1
    if options.bundle is None:
        last = box.last()
        words = outcome(last, context.lang) if last else context.words("upgrade.never")
        sys.stdout.write(f"{words}\n")
        return 0
    try:
        upgrade = _begun(context, box, Path(options.bundle), options.downgrade)
    except BundleError as error:
        complain(context.lang, error.message, **error.arguments)
        return 1
    except subprocess.CalledProcessError as error:
        detail = f"{error.cmd}: {error.stderr or error.returncode}"
        complain(context.lang, "upgrade.not_begun", detail=detail)
        return 1
    except OSError as error:
        complain(context.lang, "upgrade.not_begun", detail=reason(error))
        return 1
    words = context.words("upgrade.begun", old=upgrade.old, new=upgrade.new)
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()
    return _followed(context, box)


def _begun(context: Context, box: Box, file: Path, downgrade: bool) -> Upgrade:
    box.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (box.folder / STATE).exists():
        raise BundleError("upgrade.other")
    if shutil.disk_usage(box.folder).free < ROOM_BYTES:
        raise BundleError("upgrade.no_room", needed=ROOM_BYTES // 1_000_000)
    bundle = verified(file, box.folder / "bundle")
    if not (old := installed()):
        raise BundleError("upgrade.no_package")
    rises = subprocess.run(["dpkg", "--compare-versions", bundle.version, "gt", old])
    if rises.returncode and not downgrade:
        raise BundleError("upgrade.not_newer", old=old, new=bundle.version)
    before = box.before()
    repack(box.folder / "old.deb", box.folder / "work")
    upgrade = Upgrade("install", old, bundle.version, before)
    box.begin(upgrade, bundle.package, context.lang)
    return upgrade


def _followed(context: Context, box: Box) -> int:
    """Until it ends; whoever leaves meanwhile loses nothing but the words."""
    while (last := box.last()) is not None and (
        last.step not in ENDS or (box.folder / STATE).exists()
    ):
        box.wait(PROBE_S)
        if _state_of_unit() == "failed":
            complain(context.lang, "upgrade.unit_failed")
            return 1
    if last is None:
        complain(context.lang, "upgrade.unit_failed")
        return 1
    sys.stdout.write(f"{outcome(last, context.lang)}\n")
    return 0 if last.step == "confirmed" else 1


def _state_of_unit() -> str:
    """systemd's word for the state of the upgrade's unit; "" where it is gone."""
    return said("systemctl", "show", "--value", "--property=ActiveState", UNIT)
