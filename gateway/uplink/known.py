"""Which catalogs and tag sets the platform holds, or was sent on this stream."""

from __future__ import annotations

from gateway.uplink.greeting import Greeting


class Known:
    """What the platform knows, during one stream, from Welcome on. `contents`: names of tag sets
    and catalogs; `revisions`: (epoch, revision) of catalogs.
    """

    def __init__(self, greeting: Greeting) -> None:
        self._greeting = greeting
        self.contents: set[bytes] = set()
        self.revisions: set[tuple[int, int]] = set()
        self._unreadable: set[tuple[int, int]] = set()

    def begin(self, *, trusting: bool) -> None:
        """What Welcome names. `trusting`: the platform never lacked a catalog that it had named."""
        self.contents |= self._greeting.tag_sets
        if trusting:
            revisions = self._greeting.revisions()
            self.revisions.update(revisions)
            self.contents.update(revisions.values())

    def may_hold(self, epoch: int, revision: int) -> bool:
        """Whether the platform named it, though it then lacked another one that it had named."""
        return self._greeting.names_revision(epoch, revision)

    def cannot_be_read(self, epoch: int, revision: int) -> None:
        """Now, from the box's own disk."""
        self._unreadable.add((epoch, revision))

    def try_again(self) -> None:
        """What could not be read may be readable by now."""
        self._unreadable.clear()

    def is_unreadable(self, epoch: int, revision: int) -> bool:
        """It could not be read, and it is not time yet to try again."""
        return (epoch, revision) in self._unreadable
