"""Manual pages and bash completion, out of the programs' own parsers: none of it stands twice."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator

_HEADINGS = {
    "en": ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "COPYRIGHT"),
    "zh": ("名称", "概要", "描述", "选项", "命令", "版权"),
}


def manual(parser: argparse.ArgumentParser, lang: str, version: str, date: str) -> str:
    """The page of section 1, in roff."""
    name, synopsis, description, options, commands, rights = _HEADINGS[lang]
    told = (parser.description or "").strip()
    first = re.split(r"[。:;]|\.\s|\.$", told.split("\n")[0], maxsplit=1)[0]
    lines = [
        f'.TH {parser.prog.upper()} 1 "{date}" "{parser.prog} {version}"',
        ".ad l",
        f'.SH "{name}"',
        f"{_roff(parser.prog)} \\- {_roff(first)}",
        f'.SH "{synopsis}"',
        *_usage(parser),
        f'.SH "{description}"',
        *_paragraphs(told),
        f'.SH "{options}"',
        *_arguments(parser),
    ]
    if found := dict(_commands(parser)):
        lines.append(f'.SH "{commands}"')
        for command, its in found.items():
            lines += [f'.SS "{_roff(command)}"', *_paragraphs(its.description or "")]
            lines += [*_usage(its), *_arguments(its)]
    lines += [f'.SH "{rights}"', "Apache License 2.0"]
    return "\n".join(lines) + "\n"


def _roff(text: str) -> str:
    """Backslashes, hyphens, a dot or quote in front mean something to roff; it must also be told
    where a line without spaces may end.
    """
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"([\u2e80-\uffef])(?=[^\s，。；：、？！）”])", r"\1\\:", text)
    return f"\\&{text}" if text.startswith((".", "'")) else text


def _paragraphs(text: str) -> list[str]:
    return [_roff(line) if line.strip() else ".PP" for line in text.strip().split("\n")]


def _usage(parser: argparse.ArgumentParser) -> list[str]:
    line = " ".join(parser.format_usage().split()).partition(parser.prog)[2]
    return [".PP", f"\\fB{_roff(parser.prog)}\\fR{_roff(line)}", ".PP"]


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in _visible(parser):
        values = _metavar(parser, action)
        if action.option_strings:
            named = ", ".join(f"\\fB{_roff(each)}\\fR" for each in action.option_strings)
            head = f"{named} \\fI{_roff(values)}\\fR" if values else named
        else:
            head = f"\\fI{_roff(values)}\\fR"
        yield from (".TP", head, _roff(" ".join((action.help or "").split())) or "\\&")


def _metavar(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """What stands for the action's values in the usage; nothing of a flag."""
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, tuple):
        return " ".join(action.metavar)
    if action.metavar:
        return action.metavar
    return "|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def _visible(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        is_commands = isinstance(action, argparse._SubParsersAction)
        if action.help != argparse.SUPPRESS and not is_commands:
            yield action


def _commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, its in action.choices.items():
                yield name, its
                yield from ((f"{name} {inner}", deep) for inner, deep in _commands(its))


def completion(parser: argparse.ArgumentParser) -> str:
    """What bash asks when Tab is pressed."""
    function = "_" + parser.prog.replace("-", "_")
    levels = {"": parser, **dict(_commands(parser))}
    names = sorted({word for level in levels for word in level.split()})
    of_values = _values(levels.values())
    lines = [
        f"# bash completion for {parser.prog}; made from its arguments.",
        f"{function}() {{",
        "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}",
        "  local command= word known=",
        *([] if not names else [
            '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
            f'    case $word in {"|".join(names)}) command="${{command:+$command }}$word" ;; esac',
            "  done",
        ]),
        "  COMPREPLY=()",
        "  case $prev in",
        *(f"    {option}) {does}; return ;;" for option, does in of_values.items()),
        "  esac",
        "  case $command in",
    ]  # fmt: skip
    for level, its in levels.items():
        files = "compopt -o default; " if _takes_file(its) else ""
        pattern = f'"{level}"' if level else '""'
        lines.append(f'    {pattern}) {files}known="{" ".join(_words(its))}" ;;')
    lines += [
        "  esac",
        '  COMPREPLY=($(compgen -W "$known" -- "$cur"))',
        "}",
        f"complete -F {function} {parser.prog}",
    ]
    return "\n".join(lines) + "\n"


def _words(parser: argparse.ArgumentParser) -> list[str]:
    """What may stand next: commands, choices, options."""
    words = [name for name, _ in _commands(parser) if " " not in name]
    for action in _visible(parser):
        if action.option_strings:
            words += action.option_strings
        else:
            words += map(str, action.choices or ())
    return words


def _values(parsers: Iterable[argparse.ArgumentParser]) -> dict[str, str]:
    """What follows an option that takes a value."""
    found: dict[str, str] = {}
    for parser in parsers:
        for action in _visible(parser):
            if action.option_strings and action.nargs != 0:
                does = "compopt -o default"
                if action.choices:
                    choices = " ".join(map(str, action.choices))
                    does = f'COMPREPLY=($(compgen -W "{choices}" -- "$cur"))'
                elif not re.search("FILE|PATH|DIR|CERT|CA|KEY", _metavar(parser, action)):
                    does = ":"
                found["|".join(action.option_strings)] = does
    return found


def _takes_file(parser: argparse.ArgumentParser) -> bool:
    return any(
        not action.option_strings and re.search("FILE|PATH|toml", _metavar(parser, action))
        for action in parser._actions
        if not isinstance(action, argparse._SubParsersAction)
    )
