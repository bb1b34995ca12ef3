"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def spec_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", type=Path, help="the YAML spec file")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="A.B=VALUE",
        help="override a key of the spec",
    )
    parser.add_argument("--data", type=os.path.abspath, help="value of ${DATA} in the spec")


def beam_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runner", default="FnApiRunner", help="Beam runner (default: this process)"
    )
    parser.add_argument(
        "--beam", action="append", default=[], metavar="KEY=VALUE", help="option of the Beam runner"
    )


def variables(args: argparse.Namespace) -> dict[str, str]:
    return {"DATA": args.data} if args.data else {}
