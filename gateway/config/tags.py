"""A device's tags: its profile's, its table's and its own, laid over each other key by key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from pathlib import Path as FilePath
from typing import Any, Final

from drivers import profiles, raw
from drivers.api import ByteOrder, TagSpec
from drivers.keys import Key
from gateway.config import spelling
from gateway.config.check import Place, check_table, complete, missing
from gateway.config.points import PointTable
from gateway.config.problems import Problems
from gateway.config.schema import LENGTHS, PROFILE_FILE, TAG, Table, profile_table
from gateway.config.source import SIZE_MAX, Source
from gateway.config.values import nearest
from gateway.files import Content, Inode, read
from gateway.plain import plain
from gateway.system_errors import reason

#: Tags of profiles and tables that are kept in case that another device has the same.
TAGS_HELD_MAX = 50_000


#: What a driver knows of an address: keys of its tag that need not be written.
Known = Callable[[str], Mapping[str, Any]]


@dataclass(slots=True)
class Tag:
    """What is said of one tag so far; `elsewhere` are the keys that were not said at its place."""

    place: Place
    values: dict[str, Any] = field(default_factory=dict)
    elsewhere: Mapping[str, Place] | None = None
    bad: bool = False  # a mistake in it was reported: what follows from that is not
    #: For each period, order and driver's knowledge of a device that asked for it.
    finished: tuple[tuple[int | None, ByteOrder, Known | None, TagSpec | None], ...] = ()

    def at(self, key: str) -> Place:
        """Where a key was said, or would be."""
        return (self.elsewhere or {}).get(key) or self.place / key

    def over(self, other: Tag) -> Tag:
        """This one's keys over the other's."""
        elsewhere = {key: other.at(key) for key in other.values if key not in self.values}
        values = {**other.values, **self.values}
        return Tag(self.place, values, elsewhere, self.bad or other.bad)


@dataclass(slots=True)
class Profile:
    """A profile that was read: what it says for the device as a whole, and its tags."""

    defaults: dict[str, Any]
    tags: dict[str, Tag]
    bad: bool = False  # a mistake in it was reported


class TagReader:
    """Reads profiles and tables once each, however many devices use them."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._profiles: dict[FilePath, Profile | None] = {}
        self._held = 0  # tags in them
        #: Profiles by content: copies of one table share one.
        self._alike: dict[bytes, Profile] = {}
        #: Which files they were, by path.
        self.inodes: dict[str, Inode] = {}
        self._tuples: dict[tuple[int, ...], tuple[TagSpec, ...]] = {}

    @property
    def files(self) -> tuple[FilePath, ...]:
        """Every profile and table that a device names, shipped ones too."""
        return tuple(map(FilePath, self.inodes))

    def profile(self, place: Place, name: str, driver: str) -> Profile | None:
        """The profile that a device of `driver` names; None if there is none,
        which was reported then.
        """
        if name.lower().endswith((".toml", ".csv")):
            path = FilePath(place.origin.file).parent / name
        else:
            try:
                path = profiles.find(name)
            except LookupError:
                shipped = profiles.names(driver)
                near = nearest(name, shipped) or ""
                such = shipped[0] if shipped else ""
                if near:
                    found = "config.no_such_profile_near"
                else:
                    found = "config.no_such_profile" if such else "config.no_shipped_profile"
                said = {"profile": name, "near": near, "such": such, "driver": driver}
                self._problems.append(place.value_error(found, **said))
                return None
        return self._kept(place, path)

    def table(self, place: Place, name: str) -> Profile | None:
        """The tags of a `tags_file`."""
        if not name.lower().endswith(".csv"):
            message = (
                "config.no_xlsx" if name.lower().endswith((".xlsx", ".xls")) else "config.no_table"
            )
            meant = f"{name.rpartition('.')[0] or name}.csv"
            self._problems.append(place.value_error(message, file=name, meant=meant))
            return None
        path = FilePath(place.origin.file).parent / name
        return self._kept(place, path)

    def _kept(self, place: Place, path: FilePath) -> Profile | None:
        """What is in the file. Of many large ones the first are forgotten: devices alike stand
        together, and a file that is asked for again is read again.
        """
        if path not in self._profiles:
            self._profiles[path] = made = self._read(place, path)
            self._held += len(made.tags) if made else 0
            while self._held > TAGS_HELD_MAX and len(self._profiles) > 1:
                gone = self._profiles.pop(next(iter(self._profiles)))
                self._held -= len(gone.tags) if gone else 0
                self._alike = {key: one for key, one in self._alike.items() if one is not gone}
        return self._profiles[path]

    def own(self, place: Place, tags: Mapping[str, Any], table: Table = TAG) -> dict[str, Tag]:
        """Tags as they stand in one table of a file, each key checked by itself."""
        found = {}
        for name, data in tags.items():
            if self._problems.are_enough:
                break
            tag = Tag(place / name)
            before = len(self._problems)
            if not is_name(name, dots=True):
                meant = spelling.key(spelling.allowed_name(name))
                self._problems.append(tag.place.error("config.bad_name", name=name, meant=meant))
            if isinstance(data, dict):
                tag.values = check_table(tag.place, data, table, self._problems)
            else:
                example = f'{spelling.key(name)} = {{ address = "holding:0", type = "int16" }}'
                wanted = {"id": "config.kind_table", "args": {}}
                self._problems.append(
                    tag.place.value_error(
                        "config.wrong_type", key=name, wanted=wanted, example=example
                    )
                )
            tag.bad = len(self._problems) > before
            found[name] = tag
        return found

    def finished(
        self,
        tags: Mapping[str, Tag],
        every_ns: int | None,
        order: ByteOrder,
        known: Known | None = None,
    ) -> tuple[TagSpec, ...]:
        """The tags that are right, with the device's defaults for what they leave open, and what
        its driver knows of their addresses. Devices alike get the same objects: a thousand
        controllers of three hundred tags hold three hundred.
        """
        made = []
        for name, tag in tags.items():
            for *way, before in tag.finished:
                if way == [every_ns, order, known]:
                    made.append(before)
                    break
            else:
                made.append(finish(name, tag, every_ns, order, self._problems, known))
                tag.finished += ((every_ns, order, known, made[-1]),)
        right = tuple(tag for tag in made if tag is not None)
        return self._tuples.setdefault(tuple(map(id, right)), right)

    def _read(self, place: Place, path: FilePath) -> Profile | None:
        try:
            content = read(path, SIZE_MAX)
        except OSError as error:
            problem = place.value_error("config.unreadable", path=str(path), error=reason(error))
            self._problems.append(problem)
            return None
        self.inodes[str(path)] = content.inode
        is_table = path.suffix.lower() == ".csv"
        digest = sha256(content.raw).digest() + bytes([is_table])
        if known := self._alike.get(digest):
            return known
        before = len(self._problems)
        made = self._table(path, content) if is_table else self._profile(path, content)
        if len(self._problems) == before:
            self._alike[digest] = made
        return made

    def _table(self, path: FilePath, content: Content) -> Profile:
        rows = PointTable(str(path), content.raw, content.inode)
        self._problems.extend(rows.problems)
        own = self.own(Place(rows, ()), rows.data, TAG)
        return Profile({}, own, bool(len(rows.problems)))

    def _profile(self, path: FilePath, content: Content) -> Profile:
        source = Source(str(path), content.raw, content.inode)
        self._problems.extend(source.problems)
        top = Place(source, ())
        parts = check_table(top, source.data, PROFILE_FILE, self._problems)
        about = parts.get("profile", {})
        table = profile_table(str(about.get("driver", "")))
        defaults = check_table(top / "profile", about, table, self._problems)
        complete(top / "profile", about, dict(defaults), table, self._problems)
        own = self.own(top / "tags", parts.get("tags", {}), TAG)
        return Profile(defaults, own, bool(len(source.problems)))


def is_name(name: str, *, dots: bool = False) -> bool:
    """Letters of any script, digits, - and _; 1 to 64 of them; dots where they divide nothing."""
    plain = name.replace("-", "").replace("_", "")
    if dots:
        plain = plain.replace(".", "")
    return 0 < len(name) <= spelling.NAME_MAX and plain.isalnum()


def judge_name(name: str, made: Iterable[str], place: Place, problems: Problems) -> bool:
    """Whether a link, device or uplink may be called so; `made`: the names that come of it. Those
    that begin with _ are the gateway's own, such as its device _box.
    """
    if name.startswith("_"):
        meant = spelling.key(spelling.allowed_name(name.lstrip("_")))
        problems.append(place.error("config.name_is_ours", name=name, meant=meant))
        return False
    if not all(is_name(each) for each in made):
        meant = spelling.key(spelling.allowed_name(name))
        problems.append(place.error("config.bad_name", name=name, meant=meant))
        return False
    return True


#: Defaults of the keys that a tag may leave out.
_DEFAULTS = {key.name: key.default for key in TAG.values() if not key.required}


def finish(
    name: str,
    tag: Tag,
    every_ns: int | None,
    order: ByteOrder,
    problems: Problems,
    known: Known | None = None,
) -> TagSpec | None:
    """The tag, with what the device and its driver say of what it leaves open; None if a mistake
    stands in the way, which was reported.
    """
    before = len(problems)
    if tag.bad:
        return None
    values = {**_DEFAULTS, **_settled(tag, known, problems), **tag.values}
    if len(problems) > before:
        return None
    if "address" not in values or "type" not in values:
        complete(tag.place, tag.values, values, TAG, problems)
    kind = values.get("type")
    for key, only in ((key, TAG[key].only) for key in tag.values):
        if only and kind is not None and kind not in only:
            args = {"key": key, "types": ", ".join(only), "type": kind}
            problems.append(tag.at(key).error("config.tag_key_needs", **args))
    if (length := LENGTHS.get(str(kind))) and values["length"] is None:
        problems.append(missing(tag.place, "length", length))
    for key in ("deadband", "at_least"):
        if values[key] is not None and values["report"] == "all":
            problems.append(tag.at(key).error("config.tag_key_conflict", key=key))
    no_value = _limits(tag, values, problems)
    if len(problems) > before:
        return None
    if (period := values["every"] or every_ns) is None:
        problems.append(tag.place.error("config.no_period", tag=name))
        period = 1  # any will do for its driver to judge the rest of it
    band, at_least = values["deadband"], values["at_least"]
    sparse = values["report"] == "change" or band or at_least
    return TagSpec(
        name=name,
        address=values["address"],
        type=values["type"],
        every_ns=period,
        order=values["order"] or order,
        scale=values["scale"],
        offset=values["offset"],
        unit=values["unit"],
        length=values["length"] or 0,
        signed=values["signed"],
        encoding="utf-8" if kind == "wstring" else values["encoding"],
        labels=values["labels"],
        resolution=values["resolution"],
        report="change" if sparse else "all",
        deadband=band.amount if band else None,
        deadband_percent=bool(band and band.percent),
        at_least_ns=at_least or 0,
        no_value=no_value,
        min=values["min"],
        max=values["max"],
        description=values["description"],
    )


def _settled(tag: Tag, known: Known | None, problems: Problems) -> Mapping[str, Any]:
    """The keys that the tag leaves to what its driver knows of its address. A driver from elsewhere
    may be wrong about what a key is: that is reported.
    """
    address = tag.values.get("address")
    if known is None or address is None:
        return {}
    said: Any = known(address)
    if not isinstance(said, Mapping):
        said = {"": said}
    settled = {key: value for key, value in said.items() if key not in tag.values}
    for key, value in settled.items():
        if key not in TAG or not _is_settled(TAG[key], value):
            shown = plain(f"{key} = {value!r:.60}" if key else f"{value!r:.60}")
            problems.append(tag.at("address").error("config.known", text=address, said=shown))
            return {}
    return settled


def _is_settled(key: Key, value: object) -> bool:
    """Whether the value is one that the key has where it is written and right."""
    if key.kind == "choice":
        return value in key.choices
    if key.kind == "labels":
        return isinstance(value, Mapping) and all(
            isinstance(number, int) and isinstance(name, str) for number, name in value.items()
        )
    return type(value) is _SETTLED.get(key.kind)


#: Python types of the keys that an address may settle, by kind.
_SETTLED: Final[Mapping[str, type]] = {"text": str, "int": int, "bool": bool, "decimal": Decimal}


def _limits(tag: Tag, values: Mapping[str, Any], problems: Problems) -> tuple[int, ...]:
    """Report limits that can't be. The raw values that mean "none", as the tag's type has them."""
    if values["min"] is not None and values["max"] is not None and values["min"] > values["max"]:
        args = {"min": f"{values['min']:f}", "max": f"{values['max']:f}"}
        problems.append(tag.at("min").error("config.min_over_max", **args))
    kind, length = values.get("type"), values["length"] or 0
    if not values["no_value"] or kind not in raw.TYPES or (kind == "bcd" and not length):
        return ()
    found = []
    for text in values["no_value"]:
        try:
            found.append(raw.bits_of(text, kind, length))
        except ValueError:
            digits = raw.bits_in(kind, length) // 4
            example = f"0x{'F' * digits}"
            at = tag.at("no_value")
            problems.append(
                at.value_error(
                    "config.not_raw", value=text, type=kind, digits=digits, example=example
                )
            )
    return tuple(found)
