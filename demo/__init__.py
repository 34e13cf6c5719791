"""`make demo`: three simulated machines, the real daemon and receiver, an outage, a kill, books.

stage   the machines and their configuration, on the process rig that the fault tests use too
words   what it says, in English and Chinese
table   what the ledger found, for people
"""
