"""proto/reader.py, a program and no package: what platforms copy. Shares nothing with our code."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

PATH = Path(__file__).parents[2] / "proto" / "reader.py"


@cache
def short_reader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("short_reader", PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
