"""A time server for the box, a program of its own: NTP version 4 of RFC 5905, section 7.3.

Its argument: what CLOCK_BOOTTIME lacks of UTC, in nanoseconds. So it does not follow the clock that
it is to set.
"""

SERVER = '''\
import socket, struct, sys, time

OFFSET_NS = int(sys.argv[1])
SINCE_1900_S = 2208988800


def now():
    """In NTP's seconds since 1900, 32 bits of fraction."""
    ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + OFFSET_NS
    return ((ns // 10**9 + SINCE_1900_S) << 32) + (ns % 10**9 << 32) // 10**9


line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.bind(("127.0.0.1", 123))
while True:
    asked, peer = line.recvfrom(512)
    received = now()
    head = struct.pack(">BBbbII4s", 4 << 3 | 4, 1, asked[2], -20, 0, 16, b"GPS")
    line.sendto(head + struct.pack(">QQ", received, 0)[:8] + asked[40:48]
                + struct.pack(">QQ", received, now()), peer)
'''
