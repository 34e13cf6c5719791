"""Drivers written in Python, in a process of their own beside the daemon.

    daemon                                   host: one process a driver
    runner  starts, watches, restarts it <-> child   an asyncio loop, a task a link and a group
    accounts ticks into native groups         source  what a driver offers
    frames  what passes between both         values  a tag's value as the bytes of a row

The host is started where such a driver is configured, and ends with the daemon however that ends.
A driver that is slow, hangs or crashes costs its own ticks, which are announced as a gap; no native
link, no seal and no heartbeat waits for it.
"""
