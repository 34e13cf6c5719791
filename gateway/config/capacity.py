"""Whether all that is configured can be delivered: counted against the one table of sizes."""

from __future__ import annotations

from jiahe.ingest.limits import (
    CATALOG_BYTES_MAX,
    GROUPS_MAX,
    LINKS_MAX,
    TAG_SET_BYTES_MAX,
    TAGS_MAX,
)

from drivers.api import DeviceSpec, TagSpec
from gateway.config.check import Place
from gateway.config.problems import Located
from gateway.config.units import show_size

#: What a tag takes beside its texts, and a label beside its own, at most: numbers, type, framing.
_TAG_BYTES, _LABEL_BYTES = 96, 16
#: What a group takes beside its texts, in bytes, at most.
_GROUP_BYTES = 96


class Capacity:
    """What was built so far. A limit is said once, where it is passed; nothing is built then."""

    def __init__(self) -> None:
        self.is_passed = False
        self._links = self._tags = self._groups = 0
        self._bytes = 0
        #: Bytes of the tags of each period, by identity, with the tags: no other gets their place.
        self._sets: dict[int, tuple[tuple[TagSpec, ...], dict[int, int]]] = {}

    def take_link(self, place: Place) -> Located | None:
        """Count a link; what is wrong with that."""
        self._links += 1
        if self._links > LINKS_MAX and not self.is_passed:
            self.is_passed = True
            return place.error("config.too_many_links", most=LINKS_MAX)
        return None

    def take_device(self, device: DeviceSpec, times: int, place: Place) -> Located | None:
        """Count a device, or so many alike; what is wrong with that."""
        if self.is_passed:
            return None
        found = self._judge(device, times, place)
        self.is_passed = found is not None
        return found

    def _judge(self, device: DeviceSpec, times: int, place: Place) -> Located | None:
        sizes = self._sizes(device.tags)
        self._tags += times * len(device.tags)
        self._groups += times * len(sizes)
        self._bytes += times * len(sizes) * (_GROUP_BYTES + len(device.name.encode()))
        if self._tags > TAGS_MAX:
            return place.error("config.too_many_tags", count=self._tags, most=TAGS_MAX)
        if self._groups > GROUPS_MAX:
            return place.error("config.too_many_groups", count=self._groups, most=GROUPS_MAX)
        if (largest := max(sizes.values(), default=0)) > TAG_SET_BYTES_MAX:
            args = {"size": show_size(largest), "most": show_size(TAG_SET_BYTES_MAX)}
            return place.error("config.tags_too_large", **args)
        if self._bytes > CATALOG_BYTES_MAX:
            args = {"size": show_size(self._bytes), "most": show_size(CATALOG_BYTES_MAX)}
            return place.error("config.catalog_too_large", **args)
        return None

    def _sizes(self, tags: tuple[TagSpec, ...]) -> dict[int, int]:
        """Bytes of the tags of each period. Tags that devices share are sent once."""
        if known := self._sets.get(id(tags)):
            return known[1]
        sizes: dict[int, int] = {}
        for tag in tags:
            sizes[tag.every_ns] = sizes.get(tag.every_ns, 0) + _tag_bytes(tag)
        self._sets[id(tags)] = tags, sizes
        self._bytes += sum(sizes.values())
        return sizes


def _tag_bytes(tag: TagSpec) -> int:
    """The most bytes that describing the tag to the platform takes."""
    texts = "".join((tag.name, tag.address, tag.unit, tag.description, *tag.labels.values()))
    return _TAG_BYTES + len(texts.encode()) + _LABEL_BYTES * len(tag.labels)
