"""What OpenSSL thinks of certificate files.

Python's `ssl`, and what asyncio and hashlib load of it, take 5 MB: a tenth of the daemon. It has no
use for them beside this question (gRPC and the native floor bring TLS of their own), so it does
without, and asks another process: `python -m gateway.openssl CA CERT KEY`.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

_log = logging.getLogger(__name__)

#: The other process takes a tenth of a second, a few of them on a small box.
APART_S_MAX = 20


class Verdict(NamedTuple):
    """What OpenSSL says of files that can be read."""

    is_trusted: bool  # the authority's file holds certificates
    pair: str  # "" where certificate and key are one; else "mismatch", or "bad key"


_left_out = False


def leave_out() -> None:
    """In this process, for good, as in a Python that was built without it; before the first import
    of asyncio.
    """
    global _left_out
    _left_out = True
    absent = {"ssl", "_hashlib"} - sys.modules.keys()
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # what makes an import fail
    for name in ("asyncio", "hashlib", "hmac"):
        import_module(name)
    for name in absent:  # for drivers from elsewhere
        del sys.modules[name]


def examine(ca: Path | None, cert: Path | None, key: Path | None) -> Verdict:
    """None: can't be read, and is not opened. Where nobody can be asked, that all is well: who
    connects will hear.
    """
    if not _left_out:
        return _examine(ca, cert, key)
    paths = tuple(str(path or "") for path in (ca, cert, key))
    try:
        return _ask(paths, tuple(map(_stamp, paths)))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        _log.warning("the certificate files are used unjudged: %s", error)
        return Verdict(True, "")


@lru_cache(maxsize=64)  # links share their files
def _ask(paths: tuple[str, ...], stamps: tuple[tuple[int, ...], ...]) -> Verdict:
    """`stamps`: of the files as they are."""
    command = [sys.executable, "-m", __name__, *paths]
    done = subprocess.run(command, capture_output=True, check=True, timeout=APART_S_MAX)
    return Verdict(*json.loads(done.stdout))


def _stamp(path: str) -> tuple[int, ...]:
    try:
        found = Path(path).stat()
    except OSError as error:
        return (error.errno or 0,)
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _examine(ca: Path | None, cert: Path | None, key: Path | None) -> Verdict:
    import ssl  # here: see the head

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    is_trusted, pair = True, ""
    try:
        if ca:
            context.load_verify_locations(ca)
    except OSError:  # ssl.SSLError is one
        is_trusted = False
    try:
        if cert and key:
            context.load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError as error:
        pair = "mismatch" if error.reason == "KEY_VALUES_MISMATCH" else "bad key"
    except OSError:
        pair = "bad key"
    return Verdict(is_trusted, pair)


def _no_password() -> str:
    """Else OpenSSL asks at the terminal for the password of an encrypted key, and waits."""
    return ""


if __name__ == "__main__":
    asked = (Path(path) if path else None for path in sys.argv[1:4])
    sys.stdout.write(json.dumps(_examine(*asked)))
