"""The disk under the buffer: full, turned read-only, worn. The uplink is down meanwhile."""

from __future__ import annotations

from hw_tests.box.emulated import Emulated
from hw_tests.rows.conftest import Row

_BUFFER = "/var/lib/jiahe/buffer"


def _state(row: Row) -> str:
    said: str = row.stage.told()["buffer"]["state"]
    return said


def _said(row: Row) -> float:
    """The seconds until the box says that it can't write."""
    return row.stage.guest.wait_for("the disk's trouble", lambda: _state(row) != "ok", 60)


def _well(row: Row) -> float:
    return row.stage.guest.wait_for("a buffer that is written", lambda: _state(row) == "ok", 120)


def test_disk_when_full_then_nothing_is_lost_and_it_is_written_again(
    row: Row, switches: Emulated
) -> None:
    stage, guest = switches, switches.guest
    stage.start()
    stage.wait_good()
    stage.relay.cut()
    guest.do("fallocate -l $(($(stat -f -c '%f * %S / 10 * 9' /))) /var/tmp/fill")
    guest.do("dd if=/dev/zero of=/var/tmp/rest bs=4096 status=none; true", within_s=120)
    said_s = _said(row)
    stage.run_for(10)
    guest.do("rm /var/tmp/fill /var/tmp/rest")
    well_s = _well(row)
    stage.relay.mend()
    stage.wait_good()
    seen = f"said after {said_s:.0f} s; written again {well_s:.0f} s after there was room"
    row.settle("disk full for 10 s", seen)


def test_card_when_it_fails_and_turns_read_only_then_said_and_nothing_is_lost(
    row: Row, switches: Emulated
) -> None:
    """dm-flakey fails every write under an ext4 of the buffer's own, which turns read-only, and
    stays so until it is mounted anew. What comes meanwhile is in memory.
    """
    stage, guest = switches, switches.guest
    size = 131_072  # sectors: 64 MiB
    guest.do(f"fallocate -l {size * 512} /var/tmp/card && losetup /dev/loop0 /var/tmp/card")
    guest.do(f"dmsetup create worn --table '0 {size} linear /dev/loop0 0'")
    guest.do("mke2fs -q -t ext4 -e remount-ro /dev/mapper/worn", within_s=120)
    guest.do(f"mv {_BUFFER} {_BUFFER}.own && mkdir {_BUFFER} && mount /dev/mapper/worn {_BUFFER}")
    guest.do(f"cp -a {_BUFFER}.own/. {_BUFFER} && chown jiahe:jiahe {_BUFFER} && sync")
    stage.start()
    stage.wait_good()
    stage.relay.cut()
    suspend = "dmsetup suspend --nolockfs --noflush worn"
    swap = suspend + " && dmsetup load worn --table '{}' && dmsetup resume worn"
    guest.do(swap.format(f"0 {size} flakey /dev/loop0 0 0 60 1 error_writes"))
    said_s = _said(row)
    stage.run_for(10)
    guest.do(swap.format(f"0 {size} linear /dev/loop0 0"))
    stage.relay.mend()
    stage.wait_drained()
    guest.do("systemctl stop jiahe", within_s=120)
    guest.do(f"umount {_BUFFER}; e2fsck -fy /dev/mapper/worn; mount /dev/mapper/worn {_BUFFER}")
    stage.start()
    stage.wait_good()
    assert _state(row) == "ok"
    seen = f"said after {said_s:.0f} s; kept in memory, delivered when the uplink was back"
    row.settle("a card that fails every write (dm-flakey) and turns read-only, no uplink", seen)
    guest.do(f"umount {_BUFFER} && rmdir {_BUFFER} && mv {_BUFFER}.own {_BUFFER}")
    guest.do("dmsetup remove worn && losetup -d /dev/loop0 && rm /var/tmp/card")
