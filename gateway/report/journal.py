"""What the journal hears of troubles: one line when one begins, one when it is over."""

from __future__ import annotations

import logging
from typing import NamedTuple

from gateway.amounts import duration
from gateway.messages import about, remedy, text
from gateway.report.snapshot import Said, Snapshot

_log = logging.getLogger(__name__)

#: Said of a link that works all the same, beside what may be wrong with it.
_BESIDE = {"link.noisy", "link.tls_kept", "link.another_master", "link.another_client"}


class _Trouble(NamedTuple):
    said: Said
    since_ns: int


class Journal:
    """Compares the warnings of each moment with those before, in one language."""

    def __init__(self, lang: str) -> None:
        self._lang = lang
        self._told: dict[str, _Trouble] = {}

    def told(self, now: Snapshot, now_ns: int) -> None:
        """Log what began and what ended since the last call."""
        # A device whose slow group only waits for its turn is back.
        lasting = [said for said in now["warnings"] if said["id"] != "device.waiting"]
        new = {_subject(said): said for said in lasting}
        away = [device["name"] for device in now["devices"] if device["state"] == "silent"]
        told: dict[str, _Trouble] = {}
        for subject, said in new.items():
            before = self._told.get(subject)
            if before is None or before.said["id"] != said["id"]:
                self._begins(said)
            told[subject] = _Trouble(said, before.since_ns if before else now_ns)
        for subject, trouble in self._told.items():
            if subject in told:
                continue
            if trouble.said["args"].get("device") in away:
                told[subject] = trouble  # its link went down, which was said: it is not back yet
            else:
                self._ends(trouble, (now_ns - trouble.since_ns) / 1e9)
        self._told = told

    def _begins(self, said: Said) -> None:
        advice = remedy(said["id"], self._lang, **said["args"])
        words = about(said, self._lang) + (f" → {advice}" if advice else "")
        _log.warning("%s", words, extra=_fields(said, said["id"]))

    def _ends(self, trouble: _Trouble, lasted_s: float) -> None:
        """What works again, in its own words: "over: no answer" reads as the contrary."""
        said = trouble.said
        lasted = duration(max(1.0, lasted_s), self._lang)
        over = {"device": "device.over", "link": "link.over", "uplink": "uplink.over"}
        message = over.get(_noun(said))
        if message is None or said["id"] in _BESIDE:
            words = text("daemon.over", self._lang, trouble=said, lasted=lasted)
        else:
            words = about(Said(id=message, args={**said["args"], "lasted": lasted}), self._lang)
        _log.info("%s", words, extra=_fields(said, f"{said['id']}.over"))


def _subject(said: Said) -> str:
    """What a warning is about: it may change its words while the trouble lasts."""
    args = said["args"]
    if device := args.get("device"):
        return f"device {device}"
    noun = _noun(said)
    if said["id"] in _BESIDE:
        return f"{said['id']} {args.get('link')}"
    if noun == "link":
        return f"link {args.get('link') or args.get('target')}"
    return noun if noun in ("uplink", "budget") else said["id"]


def _noun(said: Said) -> str:
    """A driver's own words are of its link where they name who is on it."""
    return "link" if "devices" in said["args"] else said["id"].partition(".")[0]


def _fields(said: Said, message: str) -> dict[str, str]:
    args = said["args"]
    return {"said": message, "device": args.get("device", ""), "link": args.get("link", "")}
