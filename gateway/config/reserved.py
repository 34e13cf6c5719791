"""Names that the format of the configuration has, and this version has not yet.

A file that was written for a later version is told so in plain words, and no name of ours is given
to something else meanwhile. Each name leads to the message that says what it is for.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.config.schema import DEVICE, TAG, Table

_TAG = {
    "bits": "config.for_bits",
}

#: Reserved keys: (header in the documentation, table of the schema, key to message).
KEYS: tuple[tuple[str, Table, Mapping[str, str]], ...] = (
    (
        "[devices.NAME]",
        DEVICE,
        {
            "was": "config.for_was",
        },
    ),
    ("[devices.NAME.tags]", TAG, _TAG),
)
#: Values of keys that there are.
VALUES: Mapping[str, Mapping[str, str]] = {}


def of_key(table: Table, name: str) -> str:
    """What a key is reserved for in that table, which may have a driver's keys too; "" where it is
    not.
    """
    found = (keys.get(name, "") for _, each, keys in KEYS if each.keys() <= table.keys())
    return next(found, "")


def of_value(key: str, value: object) -> str:
    """What a value of an existing key is reserved for; "" where it is not."""
    return VALUES.get(key, {}).get(value, "") if isinstance(value, str) else ""
