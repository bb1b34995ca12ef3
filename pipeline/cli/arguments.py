"""Arguments that several commands take."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def spec_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", type=Path, help="the YAML file")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="A.B=VALUE",
        help="override a key of the spec",
    )
    parser.add_argument("--data", type=os.path.abspath, help="what ${DATA} stands for in the spec")


def beam_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runner", default="FnApiRunner", help="Beam runner (default: in process)")
    parser.add_argument(
        "--beam", action="append", default=[], metavar="KEY=VALUE", help="an option of the runner"
    )


def variables(args: argparse.Namespace) -> dict[str, str]:
    return {"DATA": args.data} if args.data else {}
