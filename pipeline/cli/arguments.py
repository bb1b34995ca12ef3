"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from components.stage import BeamOptions

if TYPE_CHECKING:
    from pipeline.spec.load import SpecSource
    from pipeline.spec.sections import Spec

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Command = Callable[[argparse.Namespace], int | None]
"""What a command does. It may return an exit code."""


def command(
    commands: Commands, name: str, run: Command, help: str, example: str
) -> argparse.ArgumentParser:
    """Add a command. example: lines of arguments, each after the name of the command."""
    lines = "\n".join(f"  rootstock {name} {line}".rstrip() for line in example.splitlines())
    parser = commands.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}.",
        epilog=f"examples:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run)
    return parser


def spec_command(
    commands: Commands, name: str, run: Command, help: str, example: str, on_beam: bool = False
) -> argparse.ArgumentParser:
    """Add a command that takes a spec. on_beam: see `beam`."""
    parser = command(commands, name, run, help, example)
    parser.add_argument("spec", type=Path, help="the YAML spec file")
    repeatable(parser, "--set", "A.B=VALUE", "override a key of the spec", dest="overrides")
    parser.add_argument("--data", type=_place, help="value of ${DATA} in the spec")
    if on_beam:
        runner = "Beam runner (default: in process)"
        parser.add_argument("--runner", default="FnApiRunner", help=runner)
        repeatable(parser, "--beam", "KEY=VALUE", "option of the Beam runner")
    return parser


def _place(text: str) -> str:
    """A URL, or the absolute path of a file or folder."""
    return text if "://" in text else os.path.abspath(text)


def repeatable(
    parser: argparse.ArgumentParser, option: str, metavar: str, help: str, dest: str | None = None
) -> None:
    """Add an option that can be given several times: the value is a list."""
    parser.add_argument(option, action="append", default=[], metavar=metavar, help=help, dest=dest)


def beam(args: argparse.Namespace) -> BeamOptions:
    return BeamOptions(args.runner, tuple(args.beam))


def variables(args: argparse.Namespace) -> dict[str, str]:
    return {"DATA": args.data} if args.data else {}


def source_of(args: argparse.Namespace) -> SpecSource:
    from pipeline.spec.load import SpecSource

    return SpecSource(args.spec, tuple(args.overrides), variables(args))


def spec_of(args: argparse.Namespace) -> Spec:
    return source_of(args).spec()
