"""Byte streams to devices: serial ports, sockets, TLS, devices that dial in. One table of functions
for each kind (`transport.ops_t`). Knows nothing of protocols, links or rows.
"""
