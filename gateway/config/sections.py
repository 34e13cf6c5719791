"""Tables that there is one of: what only several keys together, or the box, show to be wrong."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drivers.api import TlsFiles
from gateway.certificates import judge
from gateway.config.address import AddressError, split_address
from gateway.config.check import Place
from gateway.config.links import address_args
from gateway.config.problems import Located, Problems
from gateway.config.schema import PLATFORM
from gateway.config.units import show_size

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(slots=True)
class Section:
    """One of [gateway], [platform], [buffer], [box]: values, and where each was said."""

    place: Place
    values: dict[str, Any]
    places: dict[str, Place]
    written: frozenset[str] = frozenset()  # wrong ones, too

    def __getitem__(self, key: str) -> Any:
        return self.values.get(key)

    def at(self, key: str) -> Place:
        return self.places.get(key, self.place)

    def path(self, key: str) -> Path | None:
        """A path, relative to the file that says it; None where it is a default or unsaid."""
        if key not in self.places or self.values.get(key) is None:
            return None
        value: str = self.values[key]
        return (Path(self.places[key].origin.file).parent / value).absolute()


def judge_gateway(gateway: Section, problems: Problems) -> None:
    name = gateway["id"]
    if name is not None and not _ID.fullmatch(name):
        problems.append(
            gateway.at("id").value_error("config.bad_id", id=name, meant=_id_meant(name))
        )


def _id_meant(name: str) -> str:
    """The nearest that may be an id."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:64] or "box-1"


def judge_platform(
    platform: Section, paths: Mapping[str, Path | None], gateway: str, problems: Problems
) -> None:
    address = platform["address"]
    if address is None:
        return
    at = platform.at("address")
    try:
        host, _ = split_address(address)
    except AddressError as error:
        said = address_args(address, error, PLATFORM["address"].example)
        problems.append(at.value_error("config.bad_address", **said))
        return
    if platform["insecure"]:
        if not _is_loopback(host):
            place = platform.at("insecure")
            problems.append(place.value_error("config.insecure_remote", address=address))
        return
    wrong = platform.written - platform.places.keys()
    for key in paths if "insecure" not in wrong else ():
        if key not in {*platform.places, *wrong} and not platform.place.lost():
            example = f"{key} = {PLATFORM[key].example}"
            problems.append(platform.place.error("config.missing", key=key, example=example))
    absent = {key: str(path) for key, path in paths.items() if path and not is_there(path)}
    if absent:
        at = platform.at(next(iter(absent)))
        problems.append(at.warning("config.file_missing", path=", ".join(absent.values())))
    else:
        problems.extend(_certificate_problems(platform, paths, gateway))


def _certificate_problems(
    platform: Section, paths: Mapping[str, Path | None], gateway: str
) -> Iterator[Located]:
    """What the platform would only hang up for. Never an error: the box samples all the same."""
    ca, cert, key = (paths[name] for name in ("ca", "cert", "key"))
    if ca and cert and key:
        for fault in judge(TlsFiles(ca, cert, key), gateway, datetime.now(UTC)):
            yield platform.at(fault.key).warning(fault.said["id"], **fault.said["args"])


def is_there(path: Path) -> bool:
    """Whether the file exists; True as well where only the service's user may look."""
    try:
        return path.exists()
    except OSError:
        return True


def judge_buffer(buffer: Section, folder: Path, gateway: Section, problems: Problems) -> None:
    """What lies in `folder` must be this gateway's; the disk that it is on, or will be, must be
    able to hold `max_size`.
    """
    most: int | None = buffer["max_size"]
    state, expected = folder / "state", gateway["id"]
    if expected and os.access(state, os.R_OK):
        from gateway.buffer.state import owner  # here: it takes as long to import as all the rest

        if (found := owner(state)) not in (expected, None):
            args = {"file": str(state), "found": found, "expected": expected}
            problems.append(gateway.at("id").value_error("buffer.other_gateway", **args))
    disk = os.statvfs(next(each for each in (folder, *folder.parents) if os.access(each, os.F_OK)))
    whole = disk.f_frsize * disk.f_blocks
    if most is not None and most > whole:
        problems.append(
            buffer.at("max_size").warning(
                "config.over_disk", size=show_size(most), path=str(folder), disk=show_size(whole)
            )
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
