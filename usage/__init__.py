"""argparse in Chinese and in English: what `jiahe-sim` and `jiahe-ingest` have of it in common.

Below all floors: it imports nothing of the project.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn


class Words(NamedTuple):
    zh: str
    en: str

    def said(self, lang: str) -> str:
        return self.zh if lang == "zh" else self.en


_USAGE = Words("用法：", "usage: ")
_ERROR = Words("错误：", "error: ")
_ARGUMENTS = Words("参数", "positional arguments")
_OPTIONS = Words("选项", "options")
_HELP = Words("显示帮助", "show this help")
#: What argparse says of a slip, and the same in Chinese.
_SLIPS = (
    (r"the following arguments are required: (.*)", r"缺少 \1"),
    (r"unrecognized arguments: (.*)", r"不认识 \1"),
    (r"argument (\S+): invalid choice: (.*?) \(choose from (.*)\)", r"\1 不能是 \2；可用：\3"),
    (r"argument (\S+): expected one argument", r"\1 后面缺少值"),
    (r"argument (\S+): expected (\d+) arguments", r"\1 后面要 \2 个值"),
    (r"argument (\S+): invalid int value: (.*)", r"\1 要一个整数，不是 \2"),
    (r"argument (\S+): invalid float value: (.*)", r"\1 要一个数，不是 \2"),
    (r"ambiguous option: (\S+) could match (.*)", r"\1 不完整，可能是 \2"),
    (r"argument (\S+): (.*)", r"\1：\2"),
)


def language(environ: Mapping[str, str] = os.environ) -> str:
    """JIAHE_LANG, else the locale: "zh" or "en"."""
    names = ("JIAHE_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    said = next((environ[name] for name in names if environ.get(name)), "")
    return "zh" if said.lower().startswith("zh") else "en"


class Parser(argparse.ArgumentParser):
    """argparse with its few own words in the user's language."""

    def __init__(self, *, lang: str, **kwargs: Any) -> None:
        super().__init__(add_help=False, **kwargs)
        self._lang = lang
        self._positionals.title = _ARGUMENTS.said(lang)
        self._optionals.title = _OPTIONS.said(lang)
        self.add_argument("-h", "--help", action="help", help=_HELP.said(lang))

    def format_help(self) -> str:
        return _USAGE.said(self._lang) + super().format_help().removeprefix("usage: ")

    def format_usage(self) -> str:
        return _USAGE.said(self._lang) + super().format_usage().removeprefix("usage: ")

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        said = _in_words(message, self._lang)
        self.exit(2, f"{self.prog}: {_ERROR.said(self._lang)}{said}\n")


def _in_words(message: str, lang: str) -> str:
    """What argparse says, in that language."""
    if lang == "zh":
        for pattern, ours in _SLIPS:
            if match := re.fullmatch(pattern, message):
                return match.expand(ours)
    return message
