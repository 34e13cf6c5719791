"""The layouts of one gateway: each revision of an epoch, from its contents and their tag sets.

Generators of the session: they yield its commands. A revision that can't be used leaves its reason,
which is said with each block that needs it.
"""

from __future__ import annotations

from collections.abc import Generator
from hashlib import sha256
from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.catalog import (
    Catalog,
    Layout,
    TagSet,
    add_revision,
    compile_catalog,
    compile_tag_set,
    content_id,
)
from ingest.commands import Check, Command, Load
from ingest.refusal import RefusedError, malformed
from ingest.shelf import Shelf
from ingest.stores.api import PutCatalog

_Name = tuple[int, int]
_UNKNOWN = pb.REJECT_REASON_UNKNOWN_CATALOG


def next_chain(before: bytes, name: bytes) -> bytes:
    """The chain of a revision: stands for its content and those of all revisions before it."""
    return sha256(before + name).digest()[: limits.ID_BYTES]


class Layouts:
    """`features`: what this receiver reads."""

    def __init__(self, gateway: str, shelf: Shelf, features: frozenset[int]) -> None:
        self._gateway = gateway
        self._shelf = shelf
        self._features = features
        self._layouts: dict[_Name, Layout | RefusedError] = {}
        self._chains: dict[_Name, bytes] = {}
        self._bad_sets: dict[bytes, RefusedError] = {}

    def chain(self, epoch: int, revision: int) -> bytes:
        """Of a layout that `get` gave last or before."""
        return self._chains[epoch, revision]

    def refuse(self, epoch: int, revision: int, why: str) -> None:
        """No block of this revision is taken any more."""
        words = f"catalog revision {revision} {why}"
        self._remember((epoch, revision), RefusedError(_UNKNOWN, words), b"")

    # ---- What comes -------------------------------------------------------------------------

    def learn_tag_set(self, content: bytes) -> Generator[Command, Any, bytes | None]:
        """Its name when it can be used; None: it can't, and the reason is kept."""
        name = content_id(content)
        if isinstance(self._shelf.get(name), TagSet):
            return name
        found = yield Check(compile_tag_set(content, self._features), len(content))
        if isinstance(found, RefusedError):
            self._bad_sets[name] = found
            if len(self._bad_sets) > limits.BAD_TAG_SETS_MAX:
                del self._bad_sets[next(iter(self._bad_sets))]
            return None
        self._bad_sets.pop(name, None)
        self._shelf.put(found)
        return name

    def learn(self, catalog: pb.Catalog) -> Generator[Command, Any, PutCatalog | None]:
        """What to store when it can be used; None: it can't, and the reason is kept."""
        epoch, revision = catalog.epoch, catalog.revision
        try:
            if not 0 < epoch < limits.EPOCH_END or revision == 0:
                return None  # no block can name it: `check_name` refuses such an epoch
            compiled = yield from self._compiled(catalog)
            before, chain = Layout(0), b""
            if revision > 1:
                before = yield from self.get(epoch, revision - 1)
                chain = self._chains[epoch, revision - 1]
            layout = yield from self._add(before, compiled)
        except RefusedError as error:
            reason = error.reason
            if reason != pb.REJECT_REASON_UNSUPPORTED:
                reason = _UNKNOWN
            words = f"catalog revision {revision} was refused: {error.detail}"
            self._remember((epoch, revision), RefusedError(reason, words), b"")
            return None
        chain = next_chain(chain, compiled.id)
        self._remember((epoch, revision), layout, chain)
        content = catalog.content or None
        return PutCatalog(self._gateway, epoch, revision, chain, compiled, content)

    def _compiled(self, catalog: pb.Catalog) -> Generator[Command, Any, Catalog]:
        if catalog.content:
            malformed(
                content_id(catalog.content) != catalog.id, "its id is not that of its content"
            )
            known = self._shelf.get(catalog.id)
            if isinstance(known, Catalog):
                return known
            return (yield from self._compile(catalog.content))
        malformed(len(catalog.id) != limits.ID_BYTES, "it names no content")
        return (yield from self._catalog(catalog.id))

    def _compile(self, content: bytes) -> Generator[Command, Any, Catalog]:
        found = yield Check(compile_catalog(content, self._features), len(content))
        if isinstance(found, RefusedError):
            raise found
        assert isinstance(found, Catalog)
        self._shelf.put(found)
        return found

    # ---- What is asked for ------------------------------------------------------------------

    def get(self, epoch: int, revision: int) -> Generator[Command, Any, Layout]:
        """The layout of a revision that is held. Raises RefusedError."""
        at_hand = self._layouts.get((epoch, revision))
        if at_hand is None:
            at_hand = yield from self._build(epoch, revision)
        if isinstance(at_hand, RefusedError):
            raise at_hand
        return at_hand

    def _build(self, epoch: int, revision: int) -> Generator[Command, Any, Layout]:
        names = yield Load("revisions", (self._gateway, epoch, revision))
        if revision == 0 or len(names) < revision:
            raise RefusedError(
                _UNKNOWN,
                f"catalog revision {revision} of epoch {epoch} is not held; send it before its"
                " first block",
            )
        layout, chain = Layout(0), b""
        for name in names:
            compiled = yield from self._catalog(name)
            layout = yield from self._add(layout, compiled)
            chain = next_chain(chain, name)
        self._remember((epoch, revision), layout, chain)
        return layout

    def _catalog(self, name: bytes) -> Generator[Command, Any, Catalog]:
        known = self._shelf.get(name)
        if isinstance(known, Catalog):
            return known
        content = yield Load("content", (name,))
        if content is None:
            raise RefusedError(_UNKNOWN, f"no content {name.hex()} is held; send it")
        return (yield from self._compile(content))

    def _add(self, before: Layout, compiled: Catalog) -> Generator[Command, Any, Layout]:
        tag_sets: dict[bytes, TagSet] = {}
        for group in compiled.groups:
            if group.tag_set not in tag_sets:
                tag_sets[group.tag_set] = yield from self._tag_set(group.tag_set)
        return add_revision(before, compiled, tag_sets)

    def _tag_set(self, name: bytes) -> Generator[Command, Any, TagSet]:
        known = self._shelf.get(name)
        if isinstance(known, TagSet):
            return known
        if name in self._bad_sets:
            raise self._bad_sets[name]
        content = yield Load("content", (name,))
        if content is None:
            raise RefusedError(
                _UNKNOWN, f"tag set {name.hex()} is not held; send it before the catalog"
            )
        found = yield Check(compile_tag_set(content, self._features), len(content))
        if isinstance(found, RefusedError):
            raise found
        assert isinstance(found, TagSet)
        self._shelf.put(found)
        return found

    def _remember(self, name: _Name, layout: Layout | RefusedError, chain: bytes) -> None:
        self._layouts.pop(name, None)
        self._layouts[name] = layout
        self._chains[name] = chain
        if len(self._layouts) > limits.LAYOUTS_CACHED_MAX:
            oldest = next(iter(self._layouts))
            del self._layouts[oldest], self._chains[oldest]
