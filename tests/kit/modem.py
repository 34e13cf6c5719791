"""ModemManager as python-dbusmock plays it, on a D-Bus of its own: what the tests of `_box` ask.

`python3-dbusmock` is Debian's, and runs on Debian's Python.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from jeepney import DBusAddress, HeaderFields, new_method_call
from jeepney.io.blocking import DBusConnection, open_dbus_connection

from tests.kit.rig import wait_for

_MM, _ROOT = "org.freedesktop.ModemManager1", "/org/freedesktop/ModemManager1"
MODEM = f"{_MM}.Modem"
_3GPP, _SIGNAL, _LOCATION = f"{MODEM}.Modem3gpp", f"{MODEM}.Signal", f"{MODEM}.Location"
_MOCK, _PROPERTIES = "org.freedesktop.DBus.Mock", "org.freedesktop.DBus.Properties"
PATH = f"{_ROOT}/Modem/0"
_PYTHON = "/usr/bin/python3"
_DENIED = (
    f'raise dbus.exceptions.DBusException("not allowed", name="{_MM}.Error.Core.Unauthorized")'
)
_CELLS = """ret = [
    {"serving": dbus.Boolean(False), "cell-type": dbus.UInt32(5), "ci": "0000001",
     "earfcn": dbus.UInt32(1300)},
    {"serving": dbus.Boolean(True), "cell-type": dbus.UInt32(6), "ci": "0A1B2C3D4",
     "nrarfcn": dbus.UInt32(504990)},
]"""


class ModemManager:
    """Its bus and its process. `address`: for DBUS_SYSTEM_BUS_ADDRESS."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:path={folder / 'bus'}"
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._line: DBusConnection | None = None

    def __enter__(self) -> Self:
        self._run("dbus-daemon", "--session", "--nofork", f"--address={self.address}")
        wait_for("D-Bus", (self._folder / "bus").exists)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._line is not None:
            self._line.close()
        for process in reversed(self._processes):
            process.terminate()
            process.wait(10)

    def _run(self, *command: str) -> None:
        environ = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address}
        log = (self._folder / "modem.log").open("ab")
        with log:
            self._processes.append(subprocess.Popen(command, env=environ, stdout=log, stderr=log))

    def start(self) -> None:
        """ModemManager comes, with no modem."""
        manager = "org.freedesktop.DBus.ObjectManager"
        self._run(_PYTHON, "-m", "dbusmock", "--system", "-m", _MM, _ROOT, manager)
        self._line = open_dbus_connection(self.address)
        wait_for("ModemManager", lambda: not self._fails(_ROOT, _MOCK, "GetCalls"))

    def plug(self, *, allowed: bool = True) -> None:
        """A 5G modem that is connected; `allowed`: whether it does more than tell properties."""
        own = {
            "State": ("i", 11), "AccessTechnologies": ("u", 1 << 14 | 1 << 15),
            "SignalQuality": ("(ub)", (71, True)),
        }  # fmt: skip
        told = _CELLS if allowed else _DENIED
        methods = [("GetCellInfo", "", "aa{sv}", told)]
        self._call(_ROOT, _MOCK, "AddObject", "ssa{sv}a(ssss)", (PATH, MODEM, own, methods))
        self._add(_3GPP, {"OperatorName": ("s", "中国移动")})
        self._add(_SIGNAL, {"Rate": ("u", 0), "Lte": ("a{sv}", {}), "Nr5g": ("a{sv}", {})})
        setup = f'self.UpdateProperties("{_SIGNAL}", {{"Rate": args[0]}})' if allowed else _DENIED
        self._call(PATH, _MOCK, "AddMethod", "sssss", (_SIGNAL, "Setup", "u", "", setup))
        place = 'ret = {dbus.UInt32(1): "460,00,FFFE,0000C0DE,0012AB"}' if allowed else _DENIED
        self._call(
            PATH, _MOCK, "AddMethod", "sssss", (_LOCATION, "GetLocation", "", "a{uv}", place)
        )

    def change(self, interface: str, **properties: tuple[str, Any]) -> None:
        """Properties, as (D-Bus type, value)."""
        for name, value in properties.items():
            self._call(PATH, _PROPERTIES, "Set", "ssv", (interface, name, value))

    def signal(self, radio: str, **levels: float) -> None:
        """`radio`: "Lte" or "Nr5g"; levels in dBm and dB."""
        said = {name: ("d", level) for name, level in levels.items()}
        self.change(_SIGNAL, **{radio: ("a{sv}", said)})

    def unplug(self) -> None:
        self._call(_ROOT, _MOCK, "RemoveObject", "s", (PATH,))

    @property
    def rate(self) -> int:
        """How often it measures the signal, in seconds; 0: never."""
        return int(self._call(PATH, _PROPERTIES, "Get", "ss", (_SIGNAL, "Rate"))[0][1])

    def calls(self, method: str) -> int:
        """How often the modem was asked for that."""
        made = self._call(PATH, _MOCK, "GetCalls")[0]
        return sum(name == method for _, name, _ in made)

    def _add(self, interface: str, properties: Mapping[str, tuple[str, Any]]) -> None:
        self._call(PATH, _MOCK, "AddProperties", "sa{sv}", (interface, properties))

    def _fails(self, *asked: Any) -> bool:
        try:
            self._call(*asked)
        except AssertionError:
            return True
        return False

    def _call(
        self, path: str, interface: str, name: str, signature: str = "", body: Any = ()
    ) -> Any:
        assert self._line is not None
        asked = new_method_call(DBusAddress(path, _MM, interface), name, signature or None, body)
        answer = self._line.send_and_get_reply(asked, timeout=10)
        assert HeaderFields.error_name not in answer.header.fields, answer.body
        return answer.body
