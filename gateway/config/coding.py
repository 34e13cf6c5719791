"""In which coding a file is that is not UTF-8."""

from __future__ import annotations

from contextlib import suppress

#: The least share of characters that can be shown, for bytes to be taken as text.
_SHOWN_SHARE = 0.9


def is_utf16(raw: bytes) -> bool:
    """Whether it is text in UTF-16, with its mark or without."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    for coding in ("utf-16-le", "utf-16-be"):
        with suppress(UnicodeDecodeError):
            text = raw.decode(coding)
            shown = sum(sign.isprintable() or sign in "\r\n\t" for sign in text)
            if shown > _SHOWN_SHARE * len(text):
                return True
    return False
