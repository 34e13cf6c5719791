"""Meters in pure Python, for training and tests. They share no codec with the driver.

values  what an identifier shows      frames  from a meter's side
meter   frames in, answers out        line    several meters on a TCP port or pseudo-terminal
"""

from drivers.dlt645.simulator.frames import Frame, build, parse
from drivers.dlt645.simulator.line import Line, Served, obey
from drivers.dlt645.simulator.meter import Faults, Meter

__all__ = ["Faults", "Frame", "Line", "Meter", "Served", "build", "obey", "parse"]
