"""One folder a protocol. `api` says what a driver is; `registry` finds one by name without the
others.

Above the native floor, below the gateway: no import of either the gateway or asyncio.
"""
