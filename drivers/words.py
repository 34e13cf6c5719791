"""What a text that a user can see is: the tables of gateway/messages hold them, and each driver's
`words`.
"""

from __future__ import annotations

from typing import NamedTuple


class Message(NamedTuple):
    """What happened, in Chinese and English, and what to do about it.

    `{name}` stands for an argument; both languages use the same ones. An empty remedy: nothing to
    do.
    """

    zh: str
    en: str
    remedy_zh: str = ""
    remedy_en: str = ""
