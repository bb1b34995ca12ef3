"""What goes to stdout and what to stderr."""

from __future__ import annotations

import argparse
import json

import pytest

from pipeline.cli.output import output_options, shown, verbosity


def work() -> int:
    print("a line")
    return 3


def test_with_json_only_the_result_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    output_options(parser)
    args = parser.parse_args(["--json", "-q"])
    assert verbosity(args) == "quiet"
    assert shown(args, work, lambda n: {"rows": n}) == 3
    printed = capsys.readouterr()
    assert (json.loads(printed.out), printed.err) == ({"rows": 3}, "a line\n")
    args = parser.parse_args([])
    assert verbosity(args) == "normal"
    assert shown(args, work, lambda n: {"rows": n}) == 3
    assert capsys.readouterr() == ("a line\n", "")
