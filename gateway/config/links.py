"""Links out of their tables: what only several keys together show to be wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drivers.api import IN_FLIGHT_AUTO, DeviceSpec, LinkSpec, TlsFiles
from gateway.certificates import judge
from gateway.config.address import AddressError, as_written, split_address
from gateway.config.check import Place, check_table, complete, without_dotted
from gateway.config.dialin import listen_address
from gateway.config.problems import Problems
from gateway.config.schema import BAUDS, LINK, LINK_TLS
from gateway.config.tags import judge_name


def build_link(
    name: str, place: Place, data: Mapping[str, Any], problems: Problems
) -> LinkSpec | None:
    """The link; None if something is wrong with it, which is in `problems` then.

    A timeout that the file leaves out is 0 here: `settle` gives it once the devices are known.
    """
    before = len(problems)
    judge_name(name, [name], place, problems)
    written = without_dotted(place, data, LINK, problems)
    if data and not written:
        return None
    data = written
    if data.get("type") in ("tcp", "udp") and _is_port(port := data.get("port")):
        host = str(data.get("address") or "192.168.10.21").partition(":")[0]
        example = f'address = "{host}:{port}"'
        problems.append((place / "port").error("config.port_in_address", example=example))
        data = {key: value for key, value in data.items() if key != "port"}
        if "address" not in data:
            return None
    checked = check_table(place, data, LINK, problems)
    kind = checked.get("type")
    _judge_keys(place, checked, problems)
    kinds = {"listen": "listen", "register": "listen", "address": "tcp", "tls": "tcp"}
    likely = next((kind for key, kind in kinds.items() if key in data), "serial")
    whole = complete(place, data, checked, LINK, problems, {"type": f'"{likely}"'})
    _judge_target(place, data, checked, problems)
    learned = checked["in_flight"] == "auto"
    if kind == "serial":
        _judge_serial(place, checked, problems)
    host, port = _endpoint(place, checked, problems)
    tls = _tls(place / "tls", checked["tls"], problems) if checked.get("tls") is not None else None
    if not whole or problems.errors_since(before):
        return None
    return LinkSpec(
        name=name,
        type=checked["type"],
        port=checked["port"] or "",
        baud=checked["baud"],
        data_bits=checked["data_bits"],
        parity=checked["parity"],
        stop_bits=checked["stop_bits"],
        rs485=checked["rs485"],
        host=host,
        tcp_port=port,
        timeout_ns=checked["timeout"] or 0,
        pause_ns=checked["pause"],
        after_connect_ns=checked["after_connect"] or 0,
        listen_only=checked["listen_only"],
        in_flight=IN_FLIGHT_AUTO if learned else checked["in_flight"],
        in_flight_learned=learned,
        tls=tls,
        register=checked["register"] or b"",
        heartbeat=checked["heartbeat"] or b"",
    )


def _judge_keys(place: Place, checked: Mapping[str, Any], problems: Problems) -> None:
    """Whether its type has the keys that it says."""
    kind = checked.get("type")
    for key in checked:
        if kind is not None and LINK[key].only and kind not in LINK[key].only:
            problems.append((place / key).error("config.wrong_kind_of_link", type=kind, key=key))


def _judge_target(
    place: Place, data: Mapping[str, Any], checked: Mapping[str, Any], problems: Problems
) -> None:
    """Whether it says what it leads to."""
    kind = checked.get("type")
    needed = {"serial": "port", "listen": "listen"}.get(str(kind), "address")
    if kind is not None and checked[needed] is None and needed not in {*data, *place.lost()}:
        example = f"{needed} = {LINK[needed].example}"
        problems.append(place.error("config.missing", key=needed, example=example))


def _judge_serial(place: Place, checked: Mapping[str, Any], problems: Problems) -> None:
    judge_baud(place, checked["baud"], problems)
    if meant := _device_meant(checked["port"] or ""):
        args = {"port": checked["port"], "meant": meant}
        problems.append((place / "port").value_error("config.port_path", **args))
    if checked["in_flight"] != 1:
        problems.append((place / "in_flight").value_error("config.in_flight_serial"))


def judge_baud(place: Place, baud: int, problems: Problems) -> None:
    """Whether serial ports usually have it."""
    if baud not in BAUDS:
        args = {"baud": baud, "near": _near_baud(baud)}
        problems.append((place / "baud").warning("config.odd_baud", **args))


def _device_meant(port: str) -> str:
    """The device that is meant by "COM1" or "ttyUSB0"; "" for a path."""
    if port.startswith("/") or not port.strip():
        return ""
    windows = re.fullmatch(r"(?i)[\\\\.]*com\s*([0-9]{1,3}):?", port.strip())
    if windows:
        return f"/dev/ttyS{max(0, int(windows[1]) - 1)}"
    return "/dev/" + re.sub(r"\s+", "", port)


def _near_baud(baud: int) -> int:
    """What was probably meant: the same digits, a zero or two more or less; else the nearest."""
    digits = str(baud).rstrip("0")
    times = {usual: max(usual, baud) / min(usual, baud) for usual in BAUDS}
    same = [each for each in BAUDS if str(each).rstrip("0") == digits and times[each] <= 100]
    return min(same or BAUDS, key=lambda usual: times[usual])


def _is_port(value: Any) -> bool:
    """Whether a value is a port that was written apart from its address: 502, or "502"."""
    if isinstance(value, int):
        return 0 <= value <= 65535
    return isinstance(value, str) and value.isdecimal() and len(value) <= 5


def _endpoint(place: Place, checked: Mapping[str, Any], problems: Problems) -> tuple[str, int]:
    """Host and port of a network link, or ours of one that devices dial in to."""
    kind = checked.get("type")
    try:
        if kind in ("tcp", "udp") and checked.get("address"):
            return split_address(checked["address"], 0)
        if kind == "listen" and checked.get("listen"):
            return listen_address(checked["listen"])
    except AddressError as error:
        said = address_args(checked["address"], error, LINK["address"].example)
        problems.append((place / "address").value_error("config.bad_address", **said))
    except ValueError:
        value = checked["listen"]
        problems.append((place / "listen").value_error("config.bad_listen", value=value))
    return "", 0


def judge_targets(
    links: Iterable[LinkSpec],
    devices: Iterable[DeviceSpec],
    places: Mapping[str, Place],
    problems: Problems,
) -> None:
    """Whether each has a port, and leads elsewhere. One without a port or a device leads nowhere
    yet: it is the same as another only where that is written alike.
    """
    first = {device.link.name: device.driver for device in reversed(list(devices))}
    targets: dict[tuple[str, str], list[LinkSpec]] = {}
    for link in links:
        if link.type not in ("tcp", "udp"):
            continue
        at = places[link.name] / "address"
        if not link.tcp_port and link.name in first:
            args = {"link": link.name, "host": link.host, "driver": first[link.name]}
            problems.append(at.value_error("config.no_port", **args))
        known = targets.setdefault((link.type, link.host.lower().rstrip(".")), [])
        for other in known:
            if other.tcp_port == link.tcp_port:
                target = as_written(link.host, link.tcp_port)
                said = {"target": target, "other": other.name}
                problems.append(at.value_error("config.target_twice", **said))
                break
        known.append(link)


def address_args(value: str, error: AddressError, example: str) -> dict[str, Any]:
    """Arguments of config.bad_address."""
    meant = f'"{error.meant}"' if error.meant else example
    return {"value": value, "why": error.said(), "example": meant}


def _tls(place: Place, data: Mapping[str, Any], problems: Problems) -> TlsFiles | None:
    """The files, as absolute paths. What is wrong with them is a warning: the other links are read
    all the same, and so is this one once they are mended.
    """
    checked = check_table(place, data, LINK_TLS, problems)
    if not complete(place, data, checked, LINK_TLS, problems) or checked.keys() != LINK_TLS.keys():
        return None
    folder = Path(place.origin.file).parent
    files = TlsFiles(**{key: (folder / path).absolute() for key, path in checked.items()})
    for fault in judge(files, "", datetime.now(UTC)):
        problems.append((place / fault.key).warning(fault.said["id"], **fault.said["args"]))
    return files
