"""Completion of commands and options in shells, from the parsers themselves."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping

Parsers = Mapping[str, argparse.ArgumentParser]
_BASH = """\
_rootstock() {{
  local words current=${{COMP_WORDS[COMP_CWORD]}}
  if [ "$COMP_CWORD" -eq 1 ]; then
    words={commands}
  else
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o bashdefault -o default -F _rootstock rootstock"""


def script(shell: str, parsers: Parsers) -> str:
    """The code for the start-up file of a shell: bash, zsh or fish. Other words are files."""
    if shell == "fish":
        return "\n".join(_fish(parsers))
    start = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"
    return (start if shell == "zsh" else "") + _bash(parsers)


def _bash(parsers: Parsers) -> str:
    cases = [
        f"      {name}) words={shlex.quote(' '.join(_words(parser)))};;"
        for name, parser in parsers.items()
    ]
    return _BASH.format(commands=shlex.quote(" ".join(parsers)), cases="\n".join(cases))


def _words(parser: argparse.ArgumentParser) -> list[str]:
    """The options of a command, and the values of its arguments that have a choice."""
    words: list[str] = []
    for action in parser._actions:
        words += [option for option in action.option_strings if option.startswith("--")]
        words += map(str, action.choices or ())
    return words


def _fish(parsers: Parsers) -> list[str]:
    lines = []
    for name, parser in parsers.items():
        about = shlex.quote((parser.description or "").rstrip("."))
        lines.append(f"complete -c rootstock -n __fish_use_subcommand -a {name} -d {about}")
        seen = f"-n '__fish_seen_subcommand_from {name}'"
        for action in parser._actions:
            choices = (
                f" -a {shlex.quote(' '.join(map(str, action.choices)))}" if action.choices else ""
            )
            wants = " -r" if action.option_strings and action.nargs != 0 else ""
            for option in (o for o in action.option_strings if o.startswith("--")):
                help = shlex.quote(action.help or "")
                lines.append(
                    f"complete -c rootstock {seen} -l {option[2:]} -d {help}{wants}{choices}"
                )
            if not action.option_strings and choices:
                lines.append(f"complete -c rootstock {seen}{choices}")
    return lines
