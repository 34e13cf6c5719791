"""Benchmarks: every figure is a ratio to a peer that ran in the same minute on the same cores.

`python -m bench [NAME ...]` runs them; `harness` measures, `peers/` holds the C programs that we
compare with, each other module is one kind of work. A contender is a program that prints one JSON
object; so a new one needs no line in the harness.
"""
