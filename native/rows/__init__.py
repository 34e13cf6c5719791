"""Where scans wait for the seal: a group's plan with its row stores. The engine fills them, `block`
empties them.
"""
