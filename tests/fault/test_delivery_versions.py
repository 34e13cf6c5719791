"""Boxes and platforms of different versions: real processes, a backlog from before the change."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.kit import other_version
from tests.kit.factory import Factory
from tests.kit.rig import wait_for

pytestmark = pytest.mark.slow

#: The first version ever, which has nothing but the baseline; and one to come, which has more than
#: ours, and speaks another protocol beside it.
OLD = ("", "1,1")
NEW = (",".join(map(str, [*filter(None, pb.Feature.values()), 99])), "1,2")


def as_of(version: tuple[str, str]) -> list[str]:
    """In front of the program's name: run as this version."""
    return [sys.executable, str(Path(other_version.__file__)), *version]


def with_noise(factory: Factory) -> None:
    """Give each device a float that no difference makes shorter: where the platform knows plain
    floats (feature 5), its blocks need them."""
    text = factory.config.read_text("utf-8")
    noise = 'noise = { address = "holding:4", type = "float32" }'
    factory.config.write_text(text.replace("load  ", f"{noise}\nload  "), "utf-8")


def sealed_offline(factory: Factory, box: tuple[str, str], platform: tuple[str, str]) -> None:
    """The two have met; then the platform was away, and a backlog waits in the buffer."""
    assert factory.stop_receiver() == 0
    factory.start_receiver(as_of(platform))
    factory.start(as_of(box))
    factory.wait_acked(100)
    factory.wait_drained()
    assert factory.stop_receiver() == 0
    factory.run_for(2)


@pytest.mark.parametrize(
    ("box", "platform", "later_box", "later_platform"),
    [
        (OLD, NEW, OLD, NEW),
        (NEW, OLD, NEW, OLD),
        (NEW, OLD, NEW, NEW),
        (OLD, OLD, NEW, OLD),
        (OLD, NEW, NEW, NEW),
        (NEW, NEW, OLD, NEW),
    ],
    ids=[
        "old box, new platform", "new box, old platform", "the platform was updated",
        "the box was updated, not its platform", "the box was updated", "the box was put back",
    ],
)  # fmt: skip
def test_backlog_when_sealed_before_one_side_changed_then_all_of_it_arrives_once(
    factory: Factory,
    box: tuple[str, str],
    platform: tuple[str, str],
    later_box: tuple[str, str],
    later_platform: tuple[str, str],
) -> None:
    with_noise(factory)
    sealed_offline(factory, box, platform)
    if later_box != box:
        assert factory.stop_daemon() == 0
        factory.start(as_of(later_box))
    factory.start_receiver(as_of(later_platform))
    factory.wait_acked(100)
    factory.wait_drained()
    assert factory.stop_daemon() == 0
    factory.settle()
    assert "refused" not in (factory.folder / "receiver.log").read_text()


def test_backlog_when_the_platform_was_put_back_to_an_older_version_then_kept_until_it_is_new(
    factory: Factory,
) -> None:
    """What needs features that it does not know is refused as UNSUPPORTED, said, and kept; what is
    sealed from then on needs none, and passes it."""
    with_noise(factory)
    sealed_offline(factory, NEW, NEW)
    factory.start_receiver(as_of(OLD))

    def is_said() -> bool:
        uplink = factory.told()["uplink"]
        return uplink["state"] == "connected" and any(
            one["args"].get("reason") == "unsupported" for one in uplink["warnings"]
        )

    wait_for("the refusal in the status", is_said)
    acked = factory.told()["counters"]["acked_scans"]
    factory.wait_acked(acked + 100)
    assert "UNSUPPORTED" in (factory.folder / "receiver.log").read_text()
    assert factory.told()["uplink"]["backlog_blocks"] > 0
    assert factory.stop_receiver() == 0
    factory.start_receiver(as_of(NEW))
    factory.wait_drained()
    assert factory.stop_daemon() == 0
    factory.settle()
