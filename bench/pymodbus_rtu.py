"""pymodbus on a serial port, one request after the other: a peer of P5.

python -m bench.pymodbus_rtu PATH BAUD REQUESTS REGISTERS
"""

from __future__ import annotations

import json
import sys
import time

from pymodbus.client import ModbusSerialClient


def main() -> None:
    path, *numbers = sys.argv[1:]
    baud, requests, registers = map(int, numbers)
    client = ModbusSerialClient(path, baudrate=baud, timeout=2)
    if not client.connect():
        raise SystemExit(f"pymodbus can't open {path}")
    wall_ns, cpu_ns = time.monotonic_ns(), time.process_time_ns()
    for _ in range(requests):
        if client.read_holding_registers(0, count=registers, device_id=1).isError():
            raise SystemExit("pymodbus got no answer")
    result = {
        "requests": requests,
        "wall_ns": time.monotonic_ns() - wall_ns,
        "cpu_ns": time.process_time_ns() - cpu_ns,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
