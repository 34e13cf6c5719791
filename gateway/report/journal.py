"""What the journal hears of troubles: a line when one begins, and one when it is over.

One that comes and goes is one trouble: it is said to do so when it comes again, and then not before
it stayed away for CALM_NS, with how often it came. Words that change while a trouble lasts are news
once they held for CHANGED_NS, or at once where a silent device refuses in words; of one that came
and went, once it stayed for CALM_NS. Devices of one link that begin or end alike at one look share
a line, and of a link with its devices there are LINES_MAX an hour, the last of which says so: what
begins after that is said when there is room again, if it is still there, and its end only then.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.amounts import duration
from gateway.messages import about, remedy, text
from gateway.report.snapshot import DeviceSnapshot, Said, Snapshot
from gateway.report.troubles import NO_ANSWER, grouped

_log = logging.getLogger(__name__)

#: A trouble that comes again within this is the same one.
CALM_NS = 15 * 60 * 10**9
#: A lasting trouble whose words change gets a new line only after they held this long.
CHANGED_NS = 60 * 10**9
#: The most lines about one link and its devices within LINES_NS.
LINES_MAX, LINES_NS = 10, 3600 * 10**9

#: A connection may be made and given up in turn: so long it is up before that is said.
SURE_S = 5.0

#: Said of a link that works all the same, beside what may be wrong with it.
_BESIDE = {
    "link.noisy",
    "link.noisy_lost",
    "link.noisy_dtu",
    "link.tls_kept",
    "link.another_master",
    "link.another_client",
    "link.heartbeat",
}
#: News at once, though the trouble lasts.
_AT_ONCE = {"budget.used_up"}


@dataclass(slots=True)
class _Trouble:
    said: Said  # its newest words
    told: str  # the id of those that the journal has; "": it has none yet
    since_ns: int  # of this time that it came
    other_ns: int  # since when its words are what they are
    times: int = 1  # that it came
    away_ns: int = 0  # since when it is away; 0: it is here
    lasted_ns: int = 0  # all times together, but for this one
    silent: bool = False  # a device that did not answer


class _Look(NamedTuple):
    """One moment's devices."""

    devices: Sequence[DeviceSnapshot]
    links: dict[str, str]  # of each device
    silent: set[str]
    down: set[str]  # links that are not surely up
    now_ns: int


class Journal:
    """Compares the warnings of each moment with those before, in one language."""

    def __init__(self, lang: str) -> None:
        self._lang = lang
        self._troubles: dict[str, _Trouble] = {}
        self._lines: dict[str, deque[int]] = {}  # link: when its lines of late were written

    def told(self, now: Snapshot, now_ns: int) -> None:
        """Log what began and what ended since the last call."""
        devices = now["devices"]
        links = {each["name"]: each["link"] for each in devices}
        silent = {each["name"] for each in devices if each["state"] == "silent"}
        down = {
            each["name"]
            for each in now["links"]
            if each["state"] != "up" or each["since_s"] < SURE_S
        }
        look = _Look(devices, links, silent, down, now_ns)
        # A device whose slow group only waits for its turn is back.
        lasting = [said for said in now["warnings"] if said["id"] != "device.waiting"]
        here = {_subject(said): said for said in lasting}
        self._begin(here, look)
        self._end(here, look)

    def _begin(self, here: dict[str, Said], look: _Look) -> None:
        """What came, came again, or is said otherwise by now."""
        begun: list[Said] = []
        for subject, said in here.items():
            known = self._troubles.get(subject)
            if known is None:
                known = _Trouble(said, "", look.now_ns, look.now_ns)
                self._troubles[subject] = known
            elif known.away_ns:
                known.times, known.since_ns, known.away_ns = known.times + 1, look.now_ns, 0
                if known.times == 2 and self._room(said, look):
                    known.told = said["id"]
                    calm = duration(CALM_NS / 1e9, self._lang)
                    args = {"trouble": about(said, self._lang), "calm": calm}
                    self._begins(text("daemon.again", self._lang, **args), said, look)
            elif said["id"] != known.said["id"]:
                known.other_ns = look.now_ns
            if said["id"] != known.told and _is_news(known, said, look) and self._room(said, look):
                known.told = said["id"]
                begun.append(said)
            known.said = said
            known.silent |= said["args"].get("device") in look.silent or said["id"] in NO_ANSWER
        for said in grouped(begun, look.devices):
            self._begins(about(said, self._lang), said, look)

    def _end(self, here: dict[str, Said], look: _Look) -> None:
        """What went; of what came and went that it stayed away."""
        back: list[Said] = []
        for subject, trouble in list(self._troubles.items()):
            said = trouble.said
            if subject in here:
                continue
            if trouble.away_ns:
                if look.now_ns - trouble.away_ns >= CALM_NS:
                    del self._troubles[subject]
                    if trouble.times > 1 and trouble.told:
                        self._calm(trouble, look)
                continue
            if said["args"].get("device") in look.silent:
                continue  # its link went down, which was said: it is not back yet
            if _noun(said) == "link" and said["args"].get("link") in look.down:
                continue  # it is being tried again
            trouble.away_ns = look.now_ns
            trouble.lasted_ns += look.now_ns - trouble.since_ns
            if trouble.times > 1 or not trouble.told:
                continue
            seconds = max(1, trouble.lasted_ns // 10**9)
            if trouble.silent:
                args = {"device": said["args"]["device"], "seconds": seconds}
                back.append(Said(id="device.over", args=args))
            else:
                self._over(said, duration(seconds, self._lang), look)
        for said in grouped(back, look.devices):
            lasted = duration(said["args"]["seconds"], self._lang)
            self._ends(Said(id=said["id"], args={**said["args"], "lasted": lasted}), look)

    def _over(self, said: Said, lasted: str, look: _Look) -> None:
        """What works again, in its own words: "over: no answer" reads as the contrary."""
        over = {"link": "link.over", "uplink": "uplink.over"}.get(_noun(said))
        if over and said["id"] not in _BESIDE:
            self._ends(Said(id=over, args={**said["args"], "lasted": lasted}), look)
        else:
            args = {"trouble": about(said, self._lang), "lasted": lasted}
            words = text("daemon.over", self._lang, **args)
            self._line(logging.INFO, words, f"{said['id']}.over", said, look)

    def _calm(self, trouble: _Trouble, look: _Look) -> None:
        args = {
            "times": trouble.times,
            "lasted": duration(max(1.0, trouble.lasted_ns / 1e9), self._lang),
            "calm": duration(CALM_NS / 1e9, self._lang),
            "trouble": about(trouble.said, self._lang),
        }
        words = text("daemon.calm", self._lang, **args)
        self._line(logging.INFO, words, f"{trouble.said['id']}.over", trouble.said, look)

    def _begins(self, words: str, said: Said, look: _Look) -> None:
        advice = remedy(said["id"], self._lang, **said["args"])
        words += f" → {advice}" if advice else ""
        self._line(logging.WARNING, words, said["id"], said, look)

    def _ends(self, said: Said, look: _Look) -> None:
        self._line(logging.INFO, about(said, self._lang), said["id"], said, look)

    def _line(self, level: int, words: str, message: str, said: Said, look: _Look) -> None:
        """One line, unless its link had so many that this is the last, or one too many."""
        of_link, room = _link_of(said, look), self._room(said, look)
        if not room:
            return
        self._lines[of_link].append(look.now_ns)
        if room == 1:
            words += " … " + text("daemon.enough_lines", self._lang, link=of_link)
        device = "" if "several" in said["args"] else said["args"].get("device", "")
        _log.log(level, "%s", words, extra={"said": message, "device": device, "link": of_link})

    def _room(self, said: Said, look: _Look) -> int:
        """How many lines more its link may have now; of what has no link, as many as there are."""
        of_link = _link_of(said, look)
        lines = self._lines.setdefault(of_link, deque())
        while lines and look.now_ns - lines[0] >= LINES_NS:
            lines.popleft()
        return LINES_MAX - len(lines) if of_link else LINES_MAX


def _is_news(known: _Trouble, said: Said, look: _Look) -> bool:
    """Whether words that the journal has not are said by now."""
    if not known.told:
        return True
    if known.times > 1 and look.now_ns - known.since_ns < CALM_NS:
        return False
    if said["id"] in _AT_ONCE or _refuses(known, said):
        return True
    return look.now_ns - known.other_ns >= CHANGED_NS


def _refuses(known: _Trouble, said: Said) -> bool:
    """Whether a device that was told to be silent answers by now, and its driver has words for it:
    a CPU that does not permit reading.
    """
    return known.told in NO_ANSWER and _noun(said) not in ("device", "link")


def _link_of(said: Said, look: _Look) -> str:
    return said["args"].get("link") or look.links.get(said["args"].get("device", ""), "")


def _subject(said: Said) -> str:
    """What a warning is about: it may change its words while the trouble lasts."""
    args = said["args"]
    if device := args.get("device"):
        return f"device {device}{' beside' if args.get('beside') else ''}"
    noun = _noun(said)
    if said["id"] in _BESIDE:
        kind = "link.noisy" if said["id"].startswith("link.noisy") else said["id"]
        return f"{kind} {args.get('link')}"
    if noun == "link":
        return f"link {args.get('link') or args.get('target')}"
    return noun if noun in ("uplink", "budget") else said["id"]


def _noun(said: Said) -> str:
    """A driver's own words are of its link where they name who is on it."""
    return "link" if "devices" in said["args"] else said["id"].partition(".")[0]
