"""What a simulated bus is reached by: a pseudo-terminal, or a serial port with wires on it."""

from __future__ import annotations

import os
import termios
import tty
from pathlib import Path
from typing import Protocol

from drivers.simulate_said import SimulatorError

#: How `termios` writes a parity; what is not here is not offered.
PARITIES = {"none": 0, "even": termios.PARENB, "odd": termios.PARENB | termios.PARODD}


class Terminal(Protocol):
    """`fd` is -1 while it is closed. `is_wire`: bytes take their time on a wire of its own."""

    path: Path
    fd: int
    is_wire: bool

    def open(self) -> None: ...
    def close(self) -> None: ...


class PseudoTerminal:
    """`path`, a symbolic link, leads to it while it is open."""

    is_wire = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = self._slave = -1

    def open(self) -> None:
        """A new one, unless it is open. Raises OSError."""
        if self.fd >= 0:
            return
        self.fd, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.fd, False)
        try:
            if self.path.is_symlink():
                self.path.unlink()
            self.path.symlink_to(os.ttyname(self._slave))
        except OSError:
            self._hang_up()
            raise

    def close(self) -> None:
        """Pull the adapter: whoever has it open gets a hang-up."""
        if self.fd >= 0:
            self.path.unlink(missing_ok=True)
            self._hang_up()

    def _hang_up(self) -> None:
        os.close(self._slave)
        os.close(self.fd)
        self.fd = self._slave = -1


class SerialPort:
    """A port of this machine: 8 data bits, one stop bit."""

    is_wire = True

    def __init__(self, path: Path, baud: int, parity: str) -> None:
        """Raises SimulatorError for a rate that termios(3) has no constant for."""
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            raise SimulatorError("no_baud", baud=baud)
        self.path = path
        self.fd = -1
        self._speed, self._parity = speed, PARITIES[parity]

    def open(self) -> None:
        """Unless it is open. Raises OSError."""
        if self.fd >= 0:
            return
        fd = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            tty.setraw(fd)
            iflag, oflag, cflag, lflag, _, _, cc = termios.tcgetattr(fd)
            cflag &= ~(termios.PARENB | termios.PARODD | termios.CSTOPB)
            cflag |= termios.CLOCAL | termios.CREAD | self._parity
            state = [iflag, oflag, cflag, lflag, self._speed, self._speed, cc]
            termios.tcsetattr(fd, termios.TCSANOW, state)
            termios.tcflush(fd, termios.TCIOFLUSH)
        except (OSError, termios.error) as error:
            os.close(fd)
            raise OSError(error.args[0], str(error.args[1]), str(self.path)) from error
        self.fd = fd

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
