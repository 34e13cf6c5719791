"""Compiles native/**/*.pyx and drivers/**/*.pyx. Everything declarative is in pyproject.toml.

JIAHE_TESTS=1     also the stories of tests/stories, which drive the engine; never in a wheel
JIAHE_DEBUG=1     bounds checks, overflow checks, assertions; leak counters
JIAHE_TRACE=1     line tracing for coverage
JIAHE_SANITIZE=1  by clang: address and undefined-behaviour sanitizers, coverage for fuzzers
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

TESTS, DEBUG, TRACE, SANITIZE = (
    os.environ.get(f"JIAHE_{name}") == "1" for name in ("TESTS", "DEBUG", "TRACE", "SANITIZE")
)

#: What an extension needs of the system.
LIBRARIES = {"seal": ["zstd"], "bundle": ["zstd"], "tls": ["ssl", "crypto"]}

#: What has loops for vector units: the compiler must be asked to use them.
VECTORISED = {"encode": ["-O3"]}

compile_args = ["-O1" if DEBUG or SANITIZE else "-O2", "-g", "-fno-strict-aliasing", "-Wall"]
link_args: list[str] = []
macros = [("CYTHON_TRACE_NOGIL", "1")] if TRACE else []
if SANITIZE:
    checks = "-fsanitize=address,undefined,fuzzer-no-link"
    compile_args += [checks, "-fno-sanitize=function", "-fno-omit-frame-pointer"]
    compile_args += ["-fno-sanitize-recover=undefined", "-Wno-unused-function"]
    link_args += [checks, "-shared-libasan"]

directives = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": DEBUG,
    "embedsignature": True,
    "linetrace": TRACE,
}

floors = ["native", "drivers", "tests/stories"] if TESTS else ["native", "drivers"]

extensions = [
    Extension(
        ".".join(path.with_suffix("").parts),
        [str(path)],
        libraries=LIBRARIES.get(path.stem, []),
        extra_compile_args=compile_args + VECTORISED.get(path.stem, []),
        extra_link_args=link_args,
        define_macros=macros,
    )
    for floor in floors
    for path in sorted(Path(floor).rglob("*.pyx"))
]

setup(ext_modules=cythonize(extensions, compiler_directives=directives, nthreads=os.cpu_count()))
