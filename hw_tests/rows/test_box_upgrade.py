"""`jiahe upgrade`, on the box's own dpkg and systemd."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_tests.box.emulated import Emulated
from hw_tests.box.releases import Publisher
from hw_tests.box.stage import Stage
from hw_tests.rows.conftest import Boxes, Row

#: The watch takes two minutes; under emulation dpkg takes one.
UPGRADE_S_MAX = 600.0
BUNDLE = "/var/tmp/bundle.tar"


@pytest.fixture(scope="session")
def publisher(boxes: Boxes, tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    return Publisher(tmp_path_factory.mktemp("releases"), boxes.package)


def _brought(stage: Stage, publisher: Publisher, bundle: Path) -> None:
    stage.guest.write("/etc/jiahe/upgrade-keys", publisher.keys)
    stage.guest.write(BUNDLE, bundle.read_bytes())


def _version(stage: Stage) -> str:
    return stage.guest.do("dpkg-query -W -f '${Version}' jiahe")


def _step(stage: Stage) -> str:
    """How far it is, as it is kept on the disk."""
    folder = "/var/lib/jiahe-upgrade"
    said = stage.guest.do(f"cat {folder}/state.json 2>/dev/null || cat {folder}/last.json")
    return said.partition('"step": "')[2].partition('"')[0]


def _ended(stage: Stage) -> str:
    ends = ("confirmed", "undone", "stuck")
    stage.guest.wait_for("the upgrade's end", lambda: _step(stage) in ends, UPGRADE_S_MAX)
    return _step(stage)


@pytest.mark.short
def test_box_when_upgraded_then_it_runs_the_new_version_and_nothing_is_missing(
    row: Row, publisher: Publisher
) -> None:
    stage = row.stage
    stage.start()
    stage.wait_good()
    _brought(stage, publisher, publisher.release("0.1.1"))
    said = stage.guest.do(f"jiahe upgrade {BUNDLE}", within_s=UPGRADE_S_MAX)
    assert "upgraded: " in said, said
    assert _version(stage) == "0.1.1+deb12"
    stage.starts += 1
    stage.wait_good()
    row.settle("upgrade", said.strip().splitlines()[-1])


def test_upgrade_when_the_power_is_cut_in_its_middle_then_it_goes_on_at_boot(
    row: Row, switches: Emulated, publisher: Publisher
) -> None:
    """Once while dpkg is at work, once while the new version is watched."""
    stage = switches
    stage.start()
    stage.wait_good()
    _brought(stage, publisher, publisher.release("0.1.2"))
    stage.guest.do(f"systemd-run --quiet --unit=typed jiahe upgrade {BUNDLE}")
    stage.guest.wait_for("dpkg", lambda: bool(stage.guest.run("pgrep -x dpkg").stdout), 120)
    stage.power_cut()
    stage.power_on()
    stage.guest.wait_for("the watch", lambda: _step(stage) == "watching", UPGRADE_S_MAX)
    stage.wait_answer()
    stage.power_cut()
    stage.power_on()
    stage.wait_answer()
    assert _ended(stage) == "confirmed", stage.guest.do("jiahe upgrade")
    assert _version(stage) == "0.1.2+deb12"
    assert stage.guest.do("dpkg --audit") == ""
    stage.wait_good()
    row.settle("upgrade, the power cut while dpkg works, and while it is watched", "confirmed")


def _broken(tree: Path) -> None:
    (tree / "usr/bin/jiahe").write_text("#!/bin/sh\nexit 1\n")


def test_upgrade_when_the_new_version_does_not_run_then_the_old_one_is_put_back(
    row: Row, publisher: Publisher
) -> None:
    stage = row.stage
    stage.start()
    stage.wait_good()
    before = _version(stage)
    _brought(stage, publisher, publisher.release("0.1.9", _broken))
    done = stage.guest.run(f"jiahe upgrade {BUNDLE}", within_s=UPGRADE_S_MAX)
    assert _ended(stage) == "undone", done.stdout + done.stderr
    assert _version(stage) == before
    stage.starts += 1
    stage.wait_good()
    row.settle("upgrade to a version that does not run", "the old one is put back")


def test_box_when_downgraded_then_it_runs_the_old_version_on_what_the_new_one_wrote(
    row: Row, publisher: Publisher
) -> None:
    stage = row.stage
    stage.start()
    stage.wait_good()
    _brought(stage, publisher, publisher.release("0.0.9"))
    refused = stage.guest.run(f"jiahe upgrade {BUNDLE}", within_s=UPGRADE_S_MAX)
    assert refused.returncode == 1 and "--downgrade" in refused.stderr, refused
    stage.guest.do(f"jiahe upgrade --downgrade {BUNDLE}", within_s=UPGRADE_S_MAX)
    assert _version(stage) == "0.0.9+deb12"
    stage.starts += 1
    stage.wait_good()
    row.settle("downgrade", "0.0.9 runs on the same buffer")
