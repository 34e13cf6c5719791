"""The certificate files of the channel: read again when they change, kept when they break.

Files are replaced one after another while the box runs. What worked before goes on until new ones
do, and meanwhile it is said which file is wrong: after a restart the old ones are gone.
"""

from __future__ import annotations

from datetime import UTC, datetime

import grpc

from drivers.api import TlsFiles
from gateway.certificates import Fault, judge
from gateway.ports import ChannelError
from gateway.report.snapshot import Said


class Credentials:
    """For one thread. Nothing is read before it is asked for."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._seen: object = None
        self._faults: list[Fault] = []
        self._usable: grpc.ChannelCredentials | None = None

    def current(self) -> grpc.ChannelCredentials:
        """Credentials made of the files, or of what the files held before they became unusable.

        Raises ChannelError with the id of the fault when they were never usable.
        """
        self._refresh()
        if self._usable is None:
            said = next(fault.said for fault in self._faults if fault.fatal)
            raise ChannelError(said["id"], **said["args"])
        return self._usable

    def warnings(self) -> list[Said]:
        """What is wrong with the files now, as far as `current` does not raise it."""
        self._refresh()
        fatal = [fault.said for fault in self._faults if fault.fatal]
        if not fatal:
            return [fault.said for fault in self._faults]
        if self._usable is None:
            return []
        return [Said(id="certificate.kept", args={"why": said}) for said in fatal]

    def _refresh(self) -> None:
        """Read the files if one of them changed, and once an hour for the dates in them."""
        now = datetime.now(UTC)
        seen = (now.date(), now.hour, *(self._stamp(key) for key in ("ca", "cert", "key")))
        if seen == self._seen:
            return
        self._faults = judge(self._files, "", now)
        if not any(fault.fatal for fault in self._faults):
            try:
                self._usable = grpc.ssl_channel_credentials(
                    self._files.ca.read_bytes(),
                    self._files.key.read_bytes(),
                    self._files.cert.read_bytes(),
                )
            except OSError:  # gone since it was judged: it is judged again
                return
        self._seen = seen

    def _stamp(self, key: str) -> tuple[int, ...]:
        try:
            found = getattr(self._files, key).stat()
        except OSError as error:
            return (error.errno or 0,)
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
