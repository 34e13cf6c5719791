"""A protocol of its own folder: built against the headers that Jiahe installs with native/."""

from Cython.Build import cythonize
from setuptools import Extension, setup

import native

setup(
    name="jiahe-weigh",
    version="1.0",
    packages=["jiahe_weigh"],
    ext_modules=cythonize(
        [Extension("jiahe_weigh.protocol", ["jiahe_weigh/protocol.pyx"])],
        include_path=[native.headers()],
        language_level=3,
    ),
    entry_points={"jiahe.drivers": ["weigh = jiahe_weigh:DRIVER"]},
)
