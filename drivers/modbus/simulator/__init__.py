"""A Modbus slave in pure Python, for training, tests and benchmarks. It shares no codec with the
driver.

    values   what a tag shows at a counter     store    the registers and bits of a device
    usual    where the values of a unit move
    unit     request PDUs in, answers out      frames   MBAP, RTU and ASCII from a slave's side
    faults   what can be wrong with it         book     its own record of what it answered
    tcp      endpoints on one epoll loop       bus      a terminal that keeps the wire's time
    dtu      a bus that dials in               terminals pseudo-terminals and serial ports
    maps     tags from a profile or a map      service  all of it together, and its commands
"""

from drivers.modbus.simulator.book import Book, now_ns
from drivers.modbus.simulator.bus import Bus
from drivers.modbus.simulator.dtu import Dtu
from drivers.modbus.simulator.faults import FaultError, Faults
from drivers.modbus.simulator.maps import DeviceMap, MapError, load_map
from drivers.modbus.simulator.service import Simulator, counters_for
from drivers.modbus.simulator.tcp import Endpoint
from drivers.modbus.simulator.terminals import PseudoTerminal, SerialPort
from drivers.modbus.simulator.unit import Unit
from drivers.modbus.simulator.values import SimTag, encode, raw_value

__all__ = [
    "Book", "Bus", "DeviceMap", "Dtu", "Endpoint", "FaultError", "Faults", "MapError",
    "PseudoTerminal", "SerialPort", "SimTag", "Simulator", "Unit", "counters_for", "encode",
    "load_map", "now_ns", "raw_value",
]  # fmt: skip
