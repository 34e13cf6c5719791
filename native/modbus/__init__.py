"""Modbus RTU, ASCII and TCP frames, and what is heard on a bus of another master."""
