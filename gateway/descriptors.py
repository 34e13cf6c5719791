"""How many files the daemon may have open, and how many the service lets it.

Where descriptors run out gRPC aborts the process, so with fewer it does not start.
"""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Sequence

from drivers.api import LinkSpec
from drivers.listener import descriptors_max

#: Open files beside the links: 32 clients of the control socket, some 20 of gRPC, those of the
#: buffer, and as many again while connections come and go. A link needs one, and one more while a
#: connection is made or closed.
BESIDE_LINKS, OF_LINK = 128, 2
SERVICE = "jiahe.service"
_ANSWER_SECONDS = 5.0


def needed(links: Sequence[LinkSpec]) -> int:
    """The most files that are open at once with these links."""
    return BESIDE_LINKS + OF_LINK * len(links) + descriptors_max(links)


def allow(needed: int) -> int:
    """Raise the soft limit of open files to `needed` if the hard one lets us; the limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed
    limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


def allowed() -> int | None:
    """How many systemd lets the service have; None where it does not run one, or says nothing."""
    command = ("systemctl", "show", SERVICE, "--property=LoadState,LimitNOFILE")
    try:
        told = subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=_ANSWER_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    said = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    limit = said.get("LimitNOFILE", "")
    return int(limit) if said.get("LoadState") == "loaded" and limit.isdecimal() else None
