"""What the commands of all checks share."""

from pathlib import Path

import numpy as np
import pytest

from serving.checks.arguments import example_inputs, parse_values, parser_of
from serving.client.transport import Signature, TensorSpec

SIGNATURE = Signature({"age": TensorSpec(1, (-1,)), "text": TensorSpec(7, (-1,))}, {})


def test_values_may_be_repeated_and_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"\xff")
    values = parse_values(["a=1", f"b=@{tmp_path / 'image'}", "a=2=3"])
    assert values == {"a": [b"1", b"2=3"], "b": [b"\xff"]}


@pytest.mark.parametrize("option", ["a", "=1", ""])
def test_other_options_are_refused(option: str) -> None:
    with pytest.raises(ValueError, match="Expected NAME=VALUE or NAME=@FILE"):
        parse_values([option])


def test_inputs_repeat_the_values_or_are_made_up() -> None:
    inputs = example_inputs(SIGNATURE, 3, {"age": [b"1", b"2"], "text": [b"x"]})
    assert inputs["age"].tolist() == [1, 2, 1]
    assert inputs["text"].tolist() == [b"x"] * 3
    made_up = example_inputs(SIGNATURE, 2, {})
    assert made_up["age"].dtype == np.float32
    assert [type(text) for text in made_up["text"].tolist()] == [bytes, bytes]
    with pytest.raises(ValueError, match="could not convert"):
        example_inputs(SIGNATURE, 1, {"age": [b"old"]})


def test_the_parser_takes_urls_the_model_and_inputs() -> None:
    parser = parser_of("load", "Measures.", {"url": "http://host:port"})
    args = parser.parse_args(["http://h:1", "m", "--input", "a=1", "--input", "b=2"])
    assert (args.url, args.model, args.input) == ("http://h:1", "m", ["a=1", "b=2"])
    assert "python -m serving.checks.load" in parser.format_usage()
