"""What every command gets, and its way to the daemon.

The language and the control socket stand in the configuration file, which is only peeked at here:
`jiahe status` must answer at once, also while somebody has the file half edited. Only where no
daemon answers is it checked: it may be why.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.cli.table import Paint, fitted
from gateway.control.client import ControlClient, ControlError, refused
from gateway.messages import about, remedy, text
from gateway.plain import plain_json

DEFAULT_CONFIG = "/etc/jiahe/gateway.toml"
DEFAULT_CONTROL = "/run/jiahe/control.sock"


@dataclass(frozen=True, slots=True)
class Context:
    """`json`: one JSON document on stdout instead of words."""

    lang: str
    config: Path
    json: bool
    paint: Paint

    def words(self, message: str, /, **args: Any) -> str:
        return text(message, self.lang, **args)

    def say(self, said: Mapping[str, Any]) -> str:
        """The words of a `Said`, headed by the device or link that it is about."""
        return about(said, self.lang)

    def mend(self, said: Mapping[str, Any]) -> str:
        return remedy(said["id"], self.lang, **said.get("args", {}))

    def told(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """A `Said` with its words and its remedy, for --json."""
        return {**said, "text": self.say(said), "remedy": self.mend(said)}

    def connect(self) -> ControlClient:
        """The running daemon. Raises ControlError; also where the configuration, which says where
        it listens, may not be read.
        """
        try:
            self.config.open("rb").close()
        except PermissionError:
            raise refused(self.config, "config.not_allowed", "config.not_allowed_root") from None
        except OSError:
            pass  # no file: the daemon may run with the defaults
        try:
            return ControlClient(control_of(self.config))
        except ControlError as error:
            if error.message == "daemon.not_running" and (count := _mistakes(self.config)):
                path = str(self.config)
                raise ControlError("daemon.config_refused", count=count, path=path) from None
            raise

    def status(self) -> dict[str, Any]:
        """The daemon's snapshot; gateway/report/snapshot.py names its parts."""
        with self.connect() as client:
            found = client.call("status")
        assert isinstance(found, dict)
        return found

    def show_json(self, document: object) -> None:
        sys.stdout.write(plain_json(document, indent=2) + "\n")


def _mistakes(config: Path) -> int:
    """How many errors keep the daemon from starting with this file; 0 where there is none, or
    where this user may not read all of it.
    """
    if not config.is_file():
        return 0
    from gateway.config import load  # here: only who has no daemon waits for it

    problems = load(config).problems
    if any(each.id == "config.unreadable" for each in problems):
        return 0
    return sum(each.count for each in problems if each.severity == "error")


def complain(lang: str, message: str, /, **args: Any) -> None:
    """What is wrong and how to mend it, on stderr."""
    words = f"jiahe: {text(message, lang, **args)}\n"
    if mend := remedy(message, lang, **args):
        words += f"  → {mend}\n"
    sys.stderr.write(fitted(words, sys.stderr))


def config_path(given: str | None) -> Path:
    """--config, else JIAHE_CONFIG, else the system's."""
    return Path(given or os.environ.get("JIAHE_CONFIG") or DEFAULT_CONFIG)


def language_of(config: Path) -> str:
    """JIAHE_LANG, then the configuration (whose default is Chinese), then LANG: "zh" or "en"."""
    said = os.environ.get("JIAHE_LANG") or _peek(config, "language")
    if not said and os.access(config, os.R_OK):
        said = "zh"
    if not said:
        said = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG")
    return "zh" if (said or "").lower().startswith("zh") else "en"


def control_of(config: Path) -> Path:
    """The control socket of the daemon that runs this configuration."""
    for file in (config, *sorted(config.parent.glob("conf.d/*.toml"))):
        if control := _peek(file, "control"):
            return (file.parent / control).absolute()
    return Path(DEFAULT_CONTROL)


def _peek(file: Path, key: str) -> str | None:
    """A text of [gateway], also out of a file that is no valid TOML at the moment."""
    try:
        raw = file.read_bytes()
    except OSError:
        return None
    if key.encode() not in raw:
        return None
    import tomllib  # here: 10 ms that a missing file need not cost

    content = raw.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
    try:
        value = tomllib.loads(content).get("gateway", {}).get(key)
    except (ValueError, AttributeError):
        match = re.search(rf"""^\s*{key}\s*=\s*["']([^"'\n]+)["']""", content, re.MULTILINE)
        value = match[1] if match else None
    return value if isinstance(value, str) else None
