"""The uplink: one gRPC stream to the platform, for as long as the daemon lives.

Theory of operation
===================

    session   sans-IO: messages in, messages out. Knows the protocol, no socket, no clock; with
    greeting  Hello and Welcome; `known`, what the platform holds of catalogs and tag sets
    silence   heartbeats, and when a stream is dead
    refusals  what becomes of blocks that the platform refuses
    lanes     which blocks go next, and how many may be on their way
    pace      how many bytes may be on the wire, and at what length streams are cut
    history   what outlives a stream
    parcels   what a message brings: blocks, joined, and what they need first
    backoff   how long to wait before the next connection
    ways      which way to the platform is used, of several
    bound     a connection that leaves by one interface
    configured   the ways of a configuration
    channel   grpc.aio; no other module of the daemon imports grpc, but
    credentials   the certificate files, read again when they change
    budget    sans-IO: what the SIM card may carry, and what may still go; with `periods`
    keptbudget the budget's count on disk, and what status says of it
    uplink    the task that ties these to the buffer and the clock

A stream's life:

    waiting ──▶ connecting ──▶ hello sent ──Welcome──▶ streaming ──▶ broken ──▶ waiting
       ▲             └── failed ──┴─ 10 s ─┐                           │
       └──────────────── backoff ──────────┴───────────────────────────┘

With a data budget that is used up the stream ends when what is on its way was answered, and none is
opened (`paused`) until the next period.

Invariants
----------

U1  Nothing is trimmed but by an ack, or a Welcome, for a block that this process sent or, of an
    earlier epoch, still keeps. An ack for a block that was never sent, or a Welcome that claims a
    block of this epoch that never was, ends the stream and trims nothing.
U2  Acks are a block's or a range's, never cumulative: two lanes arrive in any order.
U3  A block follows the catalog that it needs: on its stream, or on one before, as Welcome says.
    What can't be read is neither sent without it nor given up before that is known to last.
U4  The live lane (blocks sealed after this stream's Welcome) goes first. Backfill takes half of the
    window while the live lane has anything, and never its last quarter.
U5  Silence ends a stream: 10 s without Welcome, 9 s while answers are awaited, else three
    heartbeats and the time that Welcome took. The wire's own keepalive is not relied on.
U6  The back-off starts over only after a stream that lasted and acknowledged something.
U7  Nothing goes before it is paid: the durable count never says less than what was sent, with the
    answers to it. The backlog pays only while less of the budget is used than of the period is
    over, and a tenth.
U8  What the platform refuses is kept; only what the box itself finds wrong, or the platform holds
    with another content while it takes others, is set aside.

A broken stream loses nothing: what was not acknowledged is sent again on the next one, and the
platform, which knows blocks by (gateway, epoch, seq), keeps one.
"""

from gateway.uplink.uplink import Uplink, UplinkConfig

__all__ = ["Uplink", "UplinkConfig"]
