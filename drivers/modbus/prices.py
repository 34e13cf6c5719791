"""What a request costs: time on the wire for the forecast, and the price that the planner compares
with.

Serial, RTU: 8 bytes asked and 5 + data answered, each of `char_ns`, a silence of 3.5 characters
after both (fixed 1.75 ms above 19,200 baud: Modbus over Serial Line V1.02 section 2.5.1.1), the
device's own answer time and the pause it wants. Serial, ASCII: the same frames in hexadecimal, ':'
before, LRC and CR LF behind (section 2.5.2), and no silence.

TCP: a request costs a round trip. The wire itself is nearly free, but the controller copies
register by register in its scan, so the planner prices a byte at 8 us: a hole of up to 63
registers is cheaper bridged than asked around. Controllers in the field break even at 30 to 60;
this is on the generous side, because fewer requests are also gentler.

A DTU that dials in: the round trip of 4G, and its bus, whose rate only the DTU knows.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.api import DeviceSpec

#: Assumed until a device is known: drives answer in 3-10 ms, PLCs in one scan, meters in 20-150 ms.
ANSWER_NS = 5_000_000
#: A request and its answer through one switch, to a controller that answers at its next look.
TCP_ROUND_TRIP_NS = 1_000_000
#: Assumed round trip through a DTU in ns: 4G there and back, and a serial bus behind it, mostly at
#: 9,600 baud.
DIALIN_ROUND_TRIP_NS = 150_000_000
DIALIN_BYTE_NS = 1_041_667
TCP_PLAN_BYTE_NS = 8_000
TCP_WIRE_BYTE_NS = 80  # 100 Mbit/s
TCP_FRAME_BYTES = 12 + 9 + 2 * 54  # MBAP, PDU, and Ethernet, IP and TCP around both


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in nanoseconds. A request whose answer carries `n` data bytes costs `request + n x
    byte`.
    """

    request_ns: int
    byte_ns: int  # on the wire
    plan_byte_ns: int  # as the planner counts it

    def time_ns(self, data_bytes: int) -> int:
        """Time on the wire of one request and its answer, with silences and the assumed answer
        time.
        """
        return self.request_ns + data_bytes * self.byte_ns

    def price_ns(self, data_bytes: int) -> int:
        """What the planner makes least."""
        return self.request_ns + data_bytes * self.plan_byte_ns


def prices_of(device: DeviceSpec) -> Prices:
    """The prices of a request to `device` on its link."""
    link = device.link
    pause = max(device.pause_ns, link.pause_ns)
    if link.type == "listen":
        request = DIALIN_ROUND_TRIP_NS + 13 * DIALIN_BYTE_NS + pause
        return Prices(request, DIALIN_BYTE_NS, DIALIN_BYTE_NS)
    if link.type != "serial":
        frames = TCP_FRAME_BYTES * TCP_WIRE_BYTE_NS
        return Prices(TCP_ROUND_TRIP_NS + frames + pause, TCP_WIRE_BYTE_NS, TCP_PLAN_BYTE_NS)
    char = link.char_ns
    if device.framing == "ascii":
        byte = 2 * char
        return Prices((17 + 11) * char + ANSWER_NS + pause, byte, byte)
    return Prices((8 + 5) * char + 2 * link.silence_ns + ANSWER_NS + pause, char, char)
