"""How much a long command prints, and its result as JSON."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pipeline.display import Verbosity

T = TypeVar("T")


def output_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how much a long command prints."""
    much = parser.add_mutually_exclusive_group()
    quiet = "print only warnings and what came out"
    much.add_argument(
        "-q", "--quiet", action="store_const", const="quiet", dest="verbosity", help=quiet
    )
    verbose = "also print what libraries such as TensorFlow say"
    much.add_argument(
        "-v", "--verbose", action="store_const", const="verbose", dest="verbosity", help=verbose
    )
    as_json = "print one JSON object to stdout at the end, and everything else to stderr"
    parser.add_argument("--json", action="store_true", help=as_json)
    parser.set_defaults(verbosity="normal")


def verbosity(args: argparse.Namespace) -> Verbosity:
    chosen: Verbosity = args.verbosity
    return chosen


def shown(args: argparse.Namespace, work: Callable[[], T], content: Callable[[T], object]) -> T:
    """Do the work. With `--json` all that it prints goes to stderr, and `content` to stdout."""
    if not args.json:
        return work()
    with contextlib.redirect_stdout(sys.stderr):
        result = work()
    print(json.dumps(content(result), default=str))
    return result
