"""The service under systemd: killed, stopped, starved; who may reach it; what it takes."""

from __future__ import annotations

from hw_tests.box.stage import Line
from hw_tests.rows.conftest import RESULTS, Row

#: WatchdogSec of the unit, and what systemd may take to end a process that does not react.
WATCHDOG_S, ABORT_S = 60, 30


def _pid(row: Row) -> int:
    return int(row.stage.guest.do("systemctl show --value --property=MainPID jiahe"))


def _back(row: Row, before: int) -> float:
    """The seconds until another process answers."""
    stage = row.stage
    died_ns = stage.crashes.last_ns
    stage.guest.wait_for("another process", lambda: _pid(row) not in (0, before), 180)
    stage.wait_answer()
    stage.wait_good()
    return (stage.now_ns() - died_ns) / 1e9


def test_service_when_killed_then_it_is_back_and_the_rest_is_a_crash_gap(row: Row) -> None:
    stage = row.stage
    stage.start()
    stage.wait_good()
    before = _pid(row)
    stage.crashes.killing(stage.now_ns())
    stage.guest.do("systemctl kill --kill-who=main --signal=SIGKILL jiahe")
    back_s = _back(row, before)
    stored = row.settle("SIGKILL")
    took_s = stage.crashes.lost_s(stored)
    row.say(f"good values {back_s:.0f} s after it; took {took_s:.2f} s at worst")


def test_service_when_stopped_in_its_tracks_then_the_watchdog_bites(row: Row) -> None:
    stage = row.stage
    stage.start()
    stage.wait_good()
    before = _pid(row)
    stage.crashes.killing(stage.now_ns())
    stage.guest.do("systemctl kill --kill-who=main --signal=SIGSTOP jiahe")
    back_s = _back(row, before)
    said = stage.guest.do("journalctl --no-pager -u jiahe -o cat -n 200")
    assert "Watchdog timeout" in said
    row.settle("SIGSTOP", f"the watchdog bites; good values {back_s:.0f} s after the stop")
    assert back_s <= WATCHDOG_S + ABORT_S + stage.slow(15)


def test_service_when_it_has_no_memory_then_it_is_ended_and_comes_back(row: Row) -> None:
    stage = row.stage
    stage.start()
    stage.wait_good()
    before = _pid(row)
    group = "/sys/fs/cgroup/system.slice/jiahe.service"
    limits = stage.guest.do(f"cat {group}/memory.max {group}/memory.high").split()
    stage.crashes.killing(stage.now_ns())
    stage.guest.do(f"systemd-run --quiet sh -c 'echo 4M >{group}/memory.max'")
    stage.guest.wait_for("the end of the process", lambda: _pid(row) != before, 120)
    stage.guest.do("systemctl set-property --runtime jiahe MemoryMax=300M")
    back_s = _back(row, before)
    assert "oom" in stage.guest.do("journalctl --no-pager -u jiahe -o cat -n 200").lower()
    assert stage.guest.do(f"cat {group}/memory.max {group}/memory.high").split() == limits
    row.settle("the kernel's OOM killer", f"good values {back_s:.0f} s after it")


def test_user_without_rights_when_he_tries_then_neither_socket_nor_keys_nor_devices(
    row: Row,
) -> None:
    stage, guest = row.stage, row.stage.guest
    stage.start()
    stage.wait_good()
    for tried in (
        "jiahe status",
        "cat /etc/jiahe/pki/box.key",
        "cat /etc/jiahe/gateway.toml",
        "ls /var/lib/jiahe/buffer",
        "sh -c 'exec 3<>/dev/jiahe/com1'",
        "jiahe upgrade /var/tmp/none.tar",
    ):
        done = guest.run(f"runuser -u nobody -- {tried}")
        assert done.returncode != 0, tried
        assert "Traceback" not in done.stderr, done.stderr
    row.settle("an unprivileged user at socket, keys, configuration, buffer, devices", "refused")


def test_service_when_it_runs_then_within_the_limits_of_a_small_box(row: Row) -> None:
    """24 devices of 40 tags, each 5 s, and the box itself, beside the one of 200 ms."""
    stage, guest = row.stage, row.stage.guest
    stage.configure(Line(115_200, presses=24))
    stage.start()
    stage.wait_good()
    began = guest.do("systemctl show --value --property=ExecMainStartTimestampMonotonic jiahe")
    score = guest.do("systemd-analyze security --no-pager jiahe | tail -1")
    first_s = stage.first_asked_s(int(began) / 1e6)
    stage.wait_scans(200)
    states = {each["name"]: each["state"] for each in stage.told()["devices"]}
    assert set(states.values()) == {"good"} and "_box" in states, states
    resident_kb = int(guest.do(f"awk '/VmRSS/ {{print $2}}' /proc/{_pid(row)}/status"))
    written = stage.written_an_hour(60)
    stage.relay.cut()
    offline = stage.written_an_hour(60)
    stage.relay.mend()
    (RESULTS.parent / "status.txt").write_text(guest.do("jiahe status"), encoding="utf-8")
    listening = guest.do("ss -Hltnp")
    assert "jiahe" not in listening, listening
    row.settle(
        "none: what the service takes with 25 devices of 964 tags, and the box itself",
        f"RSS {resident_kb / 1024:.0f} MiB; start to first request {first_s:.1f} s (emulated);"
        f" written an hour: {written / 1e6:.1f} MB healthy, {offline / 1e6:.1f} MB in an outage;"
        f" systemd-analyze: {score.strip()}",
    )
    stage.configure(Line())
    assert resident_kb <= 64 * 1024


def test_configuration_when_reloaded_then_taken_up_or_refused_and_nothing_is_missing(
    row: Row,
) -> None:
    stage, guest = row.stage, row.stage.guest
    stage.start()
    stage.wait_good()
    file = "/etc/jiahe/gateway.toml"
    guest.do(f"sed -i 's/send_every.*//; s/^address = /send_every = \"1 s\"\\naddress = /' {file}")
    guest.do("systemctl reload jiahe", within_s=120)
    stage.starts += 1
    stage.wait_good()
    good = guest.do(f"cat {file}")
    guest.write(file, good + "\n[nonsense]\n", "640")
    guest.do(f"chgrp jiahe {file}")
    before = _pid(row)
    refused = guest.run("systemctl reload jiahe", within_s=120)
    assert refused.returncode != 0
    assert "nonsense" in guest.do("journalctl --no-pager -u jiahe -o cat -n 30")
    stage.wait_scans(20)
    assert _pid(row) == before
    row.settle("reload, then one with a mistake in the file", "taken up; refused, and it reads on")
    stage.configure(Line())
