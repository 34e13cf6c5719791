"""Addresses of links and of the platform: what is taken, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers import registry
from gateway.config import load
from gateway.config.address import AddressError, split_address
from gateway.config.schema import DEVICE as DEVICE_KEYS
from gateway.config.schema import PROFILE as PROFILE_KEYS
from gateway.messages import LANGUAGES, remedy, text
from tests.unit.test_config import DEVICE, HEAD, TAGS, write


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("10.0.0.1:502", ("10.0.0.1", 502)), ("10.0.0.1", ("10.0.0.1", 77)),
        ("plc_1", ("plc_1", 77)), ("_plc", ("_plc", 77)), ("a_b.example:502", ("a_b.example", 502)),
        ("plc.local.:502", ("plc.local.", 502)), ("PLC-1.local", ("PLC-1.local", 77)),
        ("[fe80::1%eth0]:502", ("fe80::1%eth0", 502)),
        ("[fe80::1%enp3s0.12]", ("fe80::1%enp3s0.12", 77)),
        ("[2001:DB8:0::1]:102", ("2001:db8::1", 102)), ("[::1]:1", ("::1", 1)),
        ("localhost:65535", ("localhost", 65535)),
        (" 10.0.0.1:502 ", ("10.0.0.1", 502)), ("3com:502", ("3com", 502)),
    ],
)  # fmt: skip
def test_address_when_it_names_a_host_then_taken(written: str, found: tuple[str, int]) -> None:
    assert split_address(written, 77) == found


WRONG = [
    ("fe80::1", "config.address_brackets", "[fe80::1%eth0]:502"),
    ("2001:db8::1", "config.address_brackets", "[2001:db8::1]:502"),
    ("fe80::1%eth1", "config.address_brackets", "[fe80::1%eth1]:502"),
    ("[fe80::1]:502", "config.address_zone", "[fe80::1%eth0]:502"),
    ("[fe80::1%]:502", "config.address_zone", "[fe80::1%eth0]:502"),
    ("[2001:db8::1", "config.address_brackets", "[2001:db8::1]:502"),
    ("[2001:db8::1]502", "config.address_brackets", "[2001:db8::1]:502"),
    ("[20:zz::1]:502", "config.address_six", ""),
    ("10.0.0.1:502:1", "config.address_colons", "10.0.0.1:502"),
    ("http://10.0.0.1:80/x", "config.address_scheme", "10.0.0.1:80"),
    ("10.0.0.1/24", "config.address_scheme", "10.0.0.1"),
    ("10.0.0.300:502", "config.address_four", ""), ("10.0.0", "config.address_four", ""),
    ("192.168.010.005:502", "config.address_zeros", "192.168.10.5:502"),
    ("10.0.0.1:", "config.address_no_port", ""),
    ("10.0.0.1:0", "config.address_port", "10.0.0.1:502"),
    ("10.0.0.1:70000", "config.address_port", "10.0.0.1:502"),
    ("plc:modbus", "config.address_port", "plc:502"),
    ("plc 1:502", "config.address_name", "plc-1:502"),
    ("plc..local", "config.address_name", "plc.local:502"),
    ("-plc:502", "config.address_name", "plc:502"), ("机床:502", "config.address_name", ""),
    ("", "config.address_name", ""), (":502", "config.address_name", ""),
]  # fmt: skip


@pytest.mark.parametrize(("written", "why", "meant"), WRONG)
def test_address_when_it_names_none_then_told_what_is_wrong(
    written: str, why: str, meant: str
) -> None:
    with pytest.raises(AddressError) as caught:
        split_address(written, 502)
    assert (caught.value.why, caught.value.meant) == (why, meant)


@pytest.mark.parametrize(("written", "why", "meant"), WRONG)
def test_remedy_when_typed_as_it_stands_then_right(
    tmp_path: Path, written: str, why: str, meant: str
) -> None:
    text_ = (HEAD + DEVICE + TAGS).replace('"10.0.0.1:502"', f'"{written}"')
    problems = load(write(tmp_path, text_)).problems
    if not written or not written.isascii():
        assert problems
        return
    (problem,) = problems
    assert problem.id == "config.bad_address"
    for lang in LANGUAGES:
        assert "?" not in text(problem.id, lang, **problem.args)
    typed = remedy(problem.id, "en", **problem.args).removeprefix("Such as: ")
    assert load(write(tmp_path, text_.replace(f'"{written}"', typed))).problems == []


def test_platform_when_its_address_has_no_port_then_told(tmp_path: Path) -> None:
    text_ = (HEAD + DEVICE + TAGS).replace("127.0.0.1:8443", "127.0.0.1")
    (problem,) = load(write(tmp_path, text_)).problems
    assert problem.args["why"]["id"] == "config.address_no_port"


PLC = """\
[devices.plc]
link = "net"
driver = "s7"
every = "1 s"
tags = { speed = { address = "DB12.DBD4", type = "float32" } }
"""
LATHE = """\
[devices.lathe]
link = "net"
driver = "mtconnect"
every = "1 s"
tags = { line = { address = "line", type = "int32" } }
"""
METER = """\
[devices.meter]
link = "net"
driver = "dlt645"
every = "1 s"
profile = "dlt645-3p"
"""


@pytest.mark.parametrize(
    ("device", "port"),
    [(DEVICE + TAGS, 502), (PLC, 102), (LATHE, 5000), (LATHE + 'framing = "shdr"\n', 7878)],
)
def test_port_when_the_address_has_none_then_that_of_the_driver(
    tmp_path: Path, device: str, port: int
) -> None:
    loaded = load(write(tmp_path, HEAD.replace("10.0.0.1:502", "10.0.0.1") + device))
    assert loaded.config is not None and loaded.problems == []
    assert [link.tcp_port for link in loaded.config.links] == [port]
    assert [each.link.tcp_port for each in loaded.config.devices] == [port]


def test_port_when_the_driver_has_no_usual_one_then_wanted(tmp_path: Path) -> None:
    text_ = HEAD.replace("10.0.0.1:502", "10.0.0.1") + METER
    (problem,) = load(write(tmp_path, text_)).problems
    assert (problem.id, problem.line) == ("config.no_port", 9)
    assert 'address = "10.0.0.1:4001"' in remedy(problem.id, "zh", **problem.args)


@pytest.mark.parametrize(
    ("device", "meant"), [(PLC, "10.0.0.1:102"), (LATHE, "10.0.0.1:5000"), (DEVICE + TAGS, "")]
)
def test_port_when_it_is_another_driver_s_then_said(
    tmp_path: Path, device: str, meant: str
) -> None:
    problems = load(write(tmp_path, HEAD + device)).problems
    assert [(each.id, each.severity, each.args["meant"]) for each in problems] == (
        [("config.port_of_driver", "warning", meant)] if meant else []
    )


@pytest.mark.parametrize(
    ("device", "line"),
    [(PLC, "unit = 3"), (PLC, "max_bits = 9"), (LATHE, "unit = 3"), (METER, "max_registers = 9")],
)
def test_key_when_the_driver_has_no_use_for_it_then_refused(
    tmp_path: Path, device: str, line: str
) -> None:
    problems = load(write(tmp_path, HEAD + device + line + "\n")).problems
    (problem,) = [each for each in problems if each.severity == "error"]
    assert (problem.id, problem.args["drivers"]) == ("config.key_of_driver", "modbus")


def test_keys_of_one_driver_are_none_of_the_others() -> None:
    """Those that all devices or profiles have are no protocol's."""
    of_drivers = {key.name for name in registry.ours() for key in registry.get(name).keys}
    assert {"max_registers", "max_bits", "holes", "rack", "meter"} <= of_drivers
    assert not of_drivers & (DEVICE_KEYS.keys() | PROFILE_KEYS.keys())


@pytest.mark.parametrize("key", ["max_registers = 9", "max_bits = 9", 'holes = ["input:1-2"]'])
def test_profile_when_it_says_a_key_of_its_driver_then_its_devices_have_it(
    tmp_path: Path, key: str
) -> None:
    for driver, found in (("modbus", []), ("s7", ["config.unknown_key"])):
        write(
            tmp_path,
            f'[profile]\ntitle = "P"\ndriver = "{driver}"\n{key}\n'
            '[tags]\na = { address = "holding:1", type = "int16" }\n',
            "mine.toml",
        )
        device = DEVICE.replace('"modbus"', f'"{driver}"') + 'profile = "mine.toml"\n'
        loaded = load(write(tmp_path, HEAD + device))
        assert [p.id for p in loaded.problems if p.args.get("key") == key.split()[0]] == found
        if not found:
            assert loaded.config is not None
            assert [name for name, _ in loaded.config.devices[0].own] == [key.split()[0]]


def endpoint(said: str) -> str:
    kind, address = said.split()
    return f'type = "{kind}"\naddress = "{address}"'


@pytest.mark.parametrize(
    ("first", "second", "driver", "found"),
    [
        ("tcp 10.0.0.1:502", "tcp 10.0.0.1", "modbus", True),
        ("tcp 10.0.0.1:502", "tcp 10.0.0.1", "s7", False),
        ("tcp 10.0.0.1:102", "tcp 10.0.0.1", "s7", True),
        ("tcp 10.0.0.1:502", "tcp 10.0.0.1", "", False),
        ("tcp 10.0.0.1", "tcp 10.0.0.1:4001", "", False),
        ("tcp 10.0.0.1", "tcp 10.0.0.1", "", True),
        ("tcp PLC.local.:502", "tcp plc.local", "modbus", True),
        ("udp 10.0.0.1:502", "udp 10.0.0.1:502", "", True),
        ("tcp 10.0.0.1:502", "udp 10.0.0.1:502", "", False),
        ("tcp 10.0.0.1:502", "tcp 10.0.0.1:503", "", False),
    ],
)
def test_address_when_two_links_have_it_then_an_error_that_names_the_other(
    tmp_path: Path, first: str, second: str, driver: str, *, found: bool
) -> None:
    """Without a port it is its driver's; where no device says which that is, it is none yet."""
    text = HEAD.replace('type = "tcp"\naddress = "10.0.0.1:502"', endpoint(first))
    text += f"[links.more]\n{endpoint(second)}\n"
    if driver:
        address = {"modbus": "holding:1", "s7": "MW2"}[driver]
        text += f'[devices.press]\nlink = "more"\ndriver = "{driver}"\nevery = "1 s"\n'
        text += f'tags = {{ t = {{ address = "{address}", type = "int16" }} }}\n'
    loaded = load(write(tmp_path, text))
    problems = [(each.id, each.args["other"]) for each in loaded.problems if "other" in each.args]
    assert problems == ([("config.target_twice", "net")] if found else [])
