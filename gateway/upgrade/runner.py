"""The process of the unit: carries an upgrade on to its end, and tells the journal how it went."""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.messages import Language, text
from gateway.upgrade.box import Box
from gateway.upgrade.steps import Upgrade, carry_on

#: The message of each end.
ENDED = {
    "confirmed": "upgrade.confirmed",
    "undone": "upgrade.undone",
    "stuck": "upgrade.stuck",
}


def main(control: str, lang: Language) -> int:
    box = Box(Path(control))
    upgrade = carry_on(box)
    box.end(upgrade)
    sys.stdout.write(outcome(upgrade, lang) + "\n")
    return 0


def outcome(upgrade: Upgrade, lang: str) -> str:
    """How it ended, or what it is doing, in words."""
    message = ENDED.get(upgrade.step, "upgrade.under_way")
    why = text(upgrade.why, lang) if upgrade.why else ""
    words = text(message, lang, old=upgrade.old, new=upgrade.new, why=why, detail=upgrade.detail)
    return f"{words}\n{upgrade.detail}" if upgrade.detail and upgrade.step != "confirmed" else words
