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


def spec_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int | None],
    help: str,
    on_beam: bool = False,
) -> argparse.ArgumentParser:
    """Add a command that takes a spec. run: may return an exit code. on_beam: see `beam`."""
    parser = commands.add_parser(name, help=help)
    parser.add_argument("spec", type=Path, help="the YAML spec file")
    repeatable(parser, "--set", "A.B=VALUE", "override a key of the spec", dest="overrides")
    parser.add_argument("--data", type=os.path.abspath, help="value of ${DATA} in the spec")
    parser.set_defaults(command=run)
    if on_beam:
        runner = "Beam runner (default: in process)"
        parser.add_argument("--runner", default="FnApiRunner", help=runner)
        repeatable(parser, "--beam", "KEY=VALUE", "option of the Beam runner")
    return parser


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
