"""What ModemManager says of the radio, over the system's D-Bus: read, and nothing else, but that it
is asked once to measure the signal now and then.

Interfaces and numbers: ModemManager 1.20 reference manual, "The D-Bus API" (Modem with GetCellInfo,
Modem.Modem3gpp, Modem.Signal, Modem.Location), MMModemState, MMModemAccessTechnology, MMCellType.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jeepney import DBusAddress, DBusErrorResponse, HeaderFields, MessageFlag, new_method_call
from jeepney.io.blocking import DBusConnection, open_dbus_connection

from drivers.box.bands import lte_band, nr_band
from drivers.box.tags import Value

_MM = "org.freedesktop.ModemManager1"
_ROOT = "/org/freedesktop/ModemManager1"
_MODEM, _3GPP = f"{_MM}.Modem", f"{_MM}.Modem.Modem3gpp"
_SIGNAL, _LOCATION = f"{_MM}.Modem.Signal", f"{_MM}.Modem.Location"
#: One question may take this long; a modem that is being reset keeps ModemManager busy.
_ANSWER_S = 3.0
#: How often ModemManager is asked to measure the signal.
MEASURE_S = 30
#: MMModemState.
_STATES = {
    -1: "failed", 1: "initializing", 2: "locked", 3: "disabled", 4: "disabling", 5: "enabling",
    6: "enabled", 7: "searching", 8: "registered", 9: "disconnecting", 10: "connecting",
    11: "connected",
}  # fmt: skip
#: MMModemAccessTechnology, by bit.
_ACCESS = {
    1: "gsm", 3: "gprs", 4: "edge", 5: "umts", 6: "hsdpa", 7: "hsupa", 8: "hspa", 9: "hspa+",
    14: "lte", 15: "5gnr", 16: "lte-m", 17: "nb-iot",
}  # fmt: skip
#: MMCellType.
_LTE_CELL, _NR_CELL = 5, 6
#: MM_MODEM_LOCATION_SOURCE_3GPP_LAC_CI.
_CELL_LOCATION = 1
#: MM_SIGNAL_UNKNOWN, and what older modems say in its place.
_UNKNOWN_BELOW = -1000.0

Interfaces = Mapping[str, Mapping[str, tuple[str, Any]]]


class Radio:
    """The modem that is used, or the first one. Any one thread."""

    def __init__(self) -> None:
        self._bus: DBusConnection | None = None
        self._refused: set[tuple[str, str]] = set()  # (a modem's path, what it does not do for us)

    def read(self) -> dict[str, Value]:
        """Each value that is known; none without ModemManager, or without a modem."""
        try:
            if self._bus is None:
                self._bus = open_dbus_connection("SYSTEM")
            return self._read()
        except (OSError, DBusErrorResponse, ValueError, LookupError, TypeError):
            self.close()
            return {}

    def close(self) -> None:
        """Idempotent."""
        if self._bus is not None:
            self._bus.close()
        self._bus = None

    def _read(self) -> dict[str, Value]:
        manager = "org.freedesktop.DBus.ObjectManager"
        modems: Mapping[str, Interfaces] = self._call(_ROOT, manager, "GetManagedObjects")[0]
        chosen = _best(modems)
        if chosen is None:
            self._refused.clear()
            return {}
        path, modem = chosen, modems[chosen]
        own = modem[_MODEM]
        bits = int(_plain(own, "AccessTechnologies", 0))
        found: dict[str, Value] = {
            "radio_state": _STATES.get(_plain(own, "State", 0), "unknown"),
            "access": "+".join(name for bit, name in _ACCESS.items() if bits >> bit & 1),
            "operator": str(_plain(modem.get(_3GPP, {}), "OperatorName", "")),
        }
        if quality := _plain(own, "SignalQuality", None):
            found["signal"] = int(quality[0])
        found |= self._measured(path, modem.get(_SIGNAL))
        found |= self._cell(path)
        return {name: value for name, value in found.items() if value != ""}

    def _measured(self, path: str, said: Mapping[str, tuple[str, Any]] | None) -> dict[str, Value]:
        """RSRP and RSRQ, of 5G where it is in use, and the ratio of signal to noise."""
        if said is None:
            return {}
        if not _plain(said, "Rate", 0):
            self._ask(path, _SIGNAL, "Setup", "u", (MEASURE_S,))
        for radio in ("Nr5g", "Lte"):
            levels = {
                "sinr" if name == "snr" else name: float(level)
                for name, (_, level) in _plain(said, radio, {}).items()
                if name in ("rsrp", "rsrq", "snr") and level > _UNKNOWN_BELOW
            }
            if "rsrp" in levels:
                return {name: round(level) for name, level in levels.items()}
        return {}

    def _cell(self, path: str) -> dict[str, Value]:
        """The cell that serves and its band; the cell alone where the modem can't tell of bands."""
        cells = self._ask(path, _MODEM, "GetCellInfo")
        for cell in cells[0] if cells else ():
            kind, serves = _plain(cell, "cell-type", 0), _plain(cell, "serving", False)
            if not serves or kind not in (_LTE_CELL, _NR_CELL):
                continue
            is_lte = kind == _LTE_CELL
            number = _plain(cell, "earfcn" if is_lte else "nrarfcn", -1)
            band = lte_band(number) if is_lte else nr_band(number)
            return {"cell": str(_plain(cell, "ci", "")), "band": band or ""}
        places = self._ask(path, _LOCATION, "GetLocation")
        if places and _CELL_LOCATION in places[0]:
            # "MCC,MNC,LAC,CI,TAC"
            words = str(places[0][_CELL_LOCATION][1]).split(",")
            return {"cell": words[3] if len(words) > 3 else ""}
        return {}

    def _ask(
        self, path: str, interface: str, name: str, signature: str = "", body: tuple[Any, ...] = ()
    ) -> tuple[Any, ...]:
        """The answer; () where the modem can't, or this user may not, which is not asked again."""
        if (path, name) in self._refused:
            return ()
        try:
            return self._call(path, interface, name, signature, body)
        except DBusErrorResponse:
            self._refused.add((path, name))
            return ()

    def _call(
        self, path: str, interface: str, name: str, signature: str = "", body: tuple[Any, ...] = ()
    ) -> tuple[Any, ...]:
        """The body of the answer. Raises DBusErrorResponse, OSError (time-outs, too)."""
        assert self._bus is not None
        at = DBusAddress(path, _MM, interface)
        asked = new_method_call(at, name, signature or None, body)
        asked.header.flags |= MessageFlag.no_auto_start  # where it does not run it is not wanted
        answer = self._bus.send_and_get_reply(asked, timeout=_ANSWER_S)
        if HeaderFields.error_name in answer.header.fields:
            raise DBusErrorResponse(answer)
        return tuple(answer.body)


def _best(modems: Mapping[str, Interfaces]) -> str | None:
    """The modem whose state is the farthest on its way to being connected."""
    paths = sorted(path for path, interfaces in modems.items() if _MODEM in interfaces)
    return max(paths, key=lambda path: _plain(modems[path][_MODEM], "State", 0), default=None)


def _plain(said: Mapping[str, tuple[str, Any]], name: str, otherwise: Any) -> Any:
    """A property without its D-Bus type."""
    return said[name][1] if name in said else otherwise
