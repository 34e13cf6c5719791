"""Which hardware a box is, by trees of files as real boards have them."""

from __future__ import annotations

from pathlib import Path

from gateway.machine import machine


def made(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def interface(name: str, address: str, assigned: str = "0") -> dict[str, str]:
    base = f"sys/class/net/{name}"
    return {
        f"{base}/address": f"{address}\n",
        f"{base}/addr_assign_type": f"{assigned}\n",
        f"{base}/device/uevent": "",
    }


def test_machine_when_the_board_has_a_number_is_that_and_no_card_changes_it(tmp_path: Path) -> None:
    board = {"sys/firmware/devicetree/base/serial-number": "10000000a1b2c3d4\0"}
    first = machine(made(tmp_path / "a", board))
    assert len(first) == 16
    more = interface("eth1", "00:11:22:33:44:55") | {"etc/machine-id": "0123\n"}
    assert machine(made(tmp_path / "b", board | more)) == first
    other = {"sys/firmware/devicetree/base/serial-number": "10000000a1b2c3d5\0"}
    assert machine(made(tmp_path / "c", other)) != first


def test_machine_when_the_board_says_what_all_say_goes_by_emmc_then_by_interfaces(
    tmp_path: Path,
) -> None:
    nobody = {
        "sys/class/dmi/id/product_uuid": "03000200-0400-0500-0006-000700080009\n",
        "proc/cpuinfo": "processor : 0\nSerial\t\t: 0000000000000000\n",
    }
    emmc = {
        "sys/bus/mmc/devices/mmc0:0001/type": "MMC\n",
        "sys/bus/mmc/devices/mmc0:0001/cid": "150100424a5444344f\n",
        "sys/bus/mmc/devices/mmc1:aaaa/type": "SD\n",
        "sys/bus/mmc/devices/mmc1:aaaa/cid": "035344534c333247\n",
    }
    wired = interface("eth0", "00:d0:c9:12:34:56")
    by_emmc = machine(made(tmp_path / "a", nobody | emmc | wired))
    card_moved = {k: v.replace("0353", "0354") for k, v in emmc.items()}
    assert machine(made(tmp_path / "b", nobody | card_moved | wired)) == by_emmc
    by_interface = machine(made(tmp_path / "c", nobody | wired))
    assert by_interface not in (by_emmc, b"")


def test_machine_when_nothing_is_burnt_in_is_empty(tmp_path: Path) -> None:
    made_up = interface("wlan0", "02:11:22:33:44:55") | interface("eth0", "00:11:22:33:44:56", "3")
    assert machine(made(tmp_path / "a", made_up | {"etc/machine-id": "0123\n"})) == b""
    assert machine(tmp_path / "none") == b""
