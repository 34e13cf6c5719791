"""A driver in Python: nothing is compiled."""

from setuptools import setup

setup(
    name="jiahe-tally",
    version="1.0",
    packages=["jiahe_tally"],
    entry_points={"jiahe.drivers": ["tally = jiahe_tally:DRIVER"]},
)
