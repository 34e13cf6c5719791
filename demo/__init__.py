"""`make demo`: three simulated machines, the real daemon, the real receiver, an outage, a kill, and the books.

stage   the processes: simulators, relay, receiver, daemon; certificates and configuration
table   what the ledger found, for people
"""
