"""`jiahe`: options, language, and how every command ends.

Exit 0: fine; 1: something is wrong, and was said on stderr; 2: usage. No traceback reaches a user:
what nobody foresaw is one sentence, and the details are in a file that it names.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from types import TracebackType
from typing import Any, NoReturn

from gateway.cli.context import Context, complain, config_path, language_of
from gateway.cli.table import Paint
from gateway.control.client import ControlError
from gateway.files import read
from gateway.messages import text
from gateway.system_errors import reason

#: Every command: its module, and the message that describes it.
COMMANDS = {
    "run": ("gateway.cli.run", "cli.help_run"),
    "check": ("gateway.cli.check", "cli.help_check"),
    "reload": ("gateway.cli.reload", "cli.help_reload"),
    "status": ("gateway.cli.status", "cli.help_status"),
    "links": ("gateway.cli.links", "cli.help_links"),
    "devices": ("gateway.cli.devices", "cli.help_devices"),
    "buffer": ("gateway.cli.buffer", "cli.help_buffer"),
    "uplink": ("gateway.cli.uplink", "cli.help_uplink"),
    "clock": ("gateway.cli.clock", "cli.help_clock"),
    "watch": ("gateway.cli.watch", "cli.help_watch"),
    "upgrade": ("gateway.cli.upgrade", "cli.help_upgrade"),
    "profiles": ("gateway.cli.profiles", "cli.help_profiles"),
    "version": ("gateway.cli.version", "cli.help_version"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    lang = language_of(config_path(_config_in(arguments)))
    options = parser_in(lang).parse_args(arguments)
    if options.command != "run":  # the daemon's journal wants the details themselves
        sys.excepthook = _Hook(lang)
    config = config_path(getattr(options, "file", None) or options.config)
    if getattr(options, "file", None):
        lang = language_of(config)
    context = Context(lang, config, getattr(options, "json", False), Paint())
    if options.command not in ("run", "check") and not _is_there(options.config, lang):
        return 1
    try:
        code: int = import_module(COMMANDS[options.command][0]).main(context, options)
        sys.stdout.flush()
    except ControlError as error:
        complain(lang, error.message, **error.arguments)
        return 1
    except KeyboardInterrupt:
        return 1
    except BrokenPipeError:
        # The reader left (`| head`). Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _is_there(given: str | None, lang: str) -> bool:
    """Whether the file that was asked for is there; said where not. Else the answer might come from
    another daemon than was meant. The system's own need not be: the daemon may run without.
    """
    if given is None and not os.environ.get("JIAHE_CONFIG"):
        return True
    config = config_path(given)
    try:
        read(config, 0)
    except FileNotFoundError:
        complain(lang, "config.not_found", path=str(config))
    except PermissionError:
        return True  # `connect` says who may
    except OSError as error:
        complain(lang, "config.unreadable", path=str(config), error=reason(error))
    else:
        return True
    return False


class _Hook:
    """What an unforeseen exception looks like to a user."""

    def __init__(self, lang: str) -> None:
        self._lang = lang

    def __call__(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        import tempfile  # here: `jiahe status` should not wait for what it does not need
        import traceback

        details = "".join(traceback.format_exception(kind, error, trace))
        try:
            handle, path = tempfile.mkstemp(prefix="jiahe-error-", suffix=".txt")
            with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
                file.write(details)
        except OSError:
            path = "-"
        complain(self._lang, "cli.unforeseen", error=f"{kind.__name__}: {error}", path=path)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str, lang: str) -> None:
        super().__init__(prog)
        self._lang = lang

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        prefix = text("cli.usage_prefix", self._lang) if prefix is None else prefix
        super().add_usage(usage, actions, groups, prefix)


class _Version(argparse.Action):
    """`jiahe --version`, as other programs have it."""

    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> NoReturn:
        from gateway.cli.version import line  # here: as in _Hook

        sys.stdout.write(line())
        parser.exit()


class _Parser(argparse.ArgumentParser):
    """argparse with its few own words in the user's language."""

    def __init__(self, *, lang: str = "en", **kwargs: Any) -> None:
        self.lang = lang
        kwargs.update(add_help=False, formatter_class=lambda prog: _Formatter(prog, lang))
        super().__init__(**kwargs)
        self._positionals.title = text("cli.arguments", lang)
        options = self.add_argument_group(text("cli.options", lang))
        options.add_argument("-h", "--help", action="help", help=text("cli.help_help", lang))
        self.options = options

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(self.format_usage())
        for pattern, ours in _USAGE.items():
            if match := re.search(pattern, message):
                complain(self.lang, ours, what=match[1], known=", ".join(COMMANDS))
                sys.exit(2)
        complain(self.lang, "cli.usage", error=message, program=self.prog)
        sys.exit(2)


#: What argparse says, and what we say of the part in brackets.
_USAGE = {
    r"argument (?:COMMAND|命令): invalid choice: '(.*?)'": "cli.unknown_command",
    r"arguments are required: (COMMAND|命令)": "cli.no_command",
    r"unrecognized arguments: (.*)": "cli.unknown_argument",
    r"argument (.*?): expected one argument": "cli.no_value",
    r"argument (.*?): invalid int value": "cli.no_number",
}


def parser_in(lang: str) -> _Parser:
    def words(message: str) -> str:
        return text(message, lang)

    parser = _Parser(prog="jiahe", lang=lang, description=words("cli.description"))
    parser.options.add_argument("--config", metavar="FILE", help=words("cli.help_config"))
    parser.options.add_argument(
        "--version", nargs=0, action=_Version, help=words("cli.help_version")
    )
    commands = parser.add_subparsers(
        dest="command", metavar=words("cli.command"), required=True, title=words("cli.commands")
    )
    for name, (_, described) in COMMANDS.items():
        command = commands.add_parser(
            name, lang=lang, help=words(described), description=words(described)
        )
        command.options.add_argument(
            "--config", metavar="FILE", default=argparse.SUPPRESS, help=words("cli.help_config")
        )
        if name != "run":
            command.options.add_argument("--json", action="store_true", help=words("cli.help_json"))
        if name == "check":
            command.add_argument("file", metavar="FILE", nargs="?", help=words("cli.help_file"))
        if name == "buffer":
            command.add_argument(
                "action",
                metavar="export FILE | keep | drop",
                nargs="?",
                choices=["export", "keep", "drop"],
                help=words("cli.help_buffer_action"),
            )
            command.add_argument("target", metavar="FILE", nargs="?", help=argparse.SUPPRESS)
        if name == "upgrade":
            command.add_argument("bundle", metavar="FILE", nargs="?", help=words("cli.help_bundle"))
            command.options.add_argument(
                "--downgrade", action="store_true", help=words("cli.help_downgrade")
            )
        if name == "clock":
            command.add_argument(
                "action",
                metavar="restore",
                nargs="?",
                choices=["restore"],
                help=words("cli.help_clock_restore"),
            )
        if name == "links":
            command.options.add_argument(
                "-v", "--verbose", action="store_true", help=words("cli.help_verbose")
            )
        if name == "watch":
            command.add_argument(
                "target", metavar="DEVICE[.TAG]", nargs="?", help=words("cli.help_target")
            )
            command.options.add_argument("--once", action="store_true", help=words("cli.help_once"))
            command.options.add_argument(
                "--every-ms", type=int, default=1000, metavar="MS", help=words("cli.help_every")
            )
    return parser


def _config_in(arguments: Sequence[str]) -> str | None:
    """The --config among the arguments, before they are parsed: the language depends on it."""
    for number, argument in enumerate(arguments):
        if argument == "--config" and number + 1 < len(arguments):
            return arguments[number + 1]
        if argument.startswith("--config="):
            return argument.partition("=")[2]
    return None
