"""What the commands of all checks share: arguments, and example inputs for requests."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.client.transport import Signature
from serving.wire.tensors import STRING

BOTH_URLS = {"rest_url": "http://host:port", "grpc_url": "grpc://host:port"}
_TEXTS = (b"are we still on for lunch tomorrow?", b"ok", b"URGENT! call")


def parser_of(
    check: str, description: str | None, urls: Mapping[str, str]
) -> argparse.ArgumentParser:
    """The parser of `python -m serving.checks.<check> URL... MODEL --input ...`.

    urls: the name of each URL argument, and its help text.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m serving.checks.{check}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, help_text in urls.items():
        parser.add_argument(name, metavar=name.upper(), help=help_text)
    parser.add_argument("model", help="name of the served model")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=VALUE|@FILE",
        help="a value for an input, or a file that holds it; can be repeated",
    )
    return parser


def parse_values(options: Sequence[str]) -> dict[str, list[bytes]]:
    """The values by input name of `NAME=VALUE` or `NAME=@FILE` options; names may be repeated.

    Raises:
        ValueError: another form. OSError: a file that cannot be read.
    """
    values: dict[str, list[bytes]] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not (name and equals):
            raise ValueError(f"Expected NAME=VALUE or NAME=@FILE. Received: {option!r}")
        content = Path(value[1:]).read_bytes() if value.startswith("@") else value.encode()
        values.setdefault(name, []).append(content)
    return values


def example_inputs(
    signature: Signature, rows: int, values: Mapping[str, Sequence[bytes]]
) -> dict[str, np.ndarray]:
    """Inputs [rows] for a request. Inputs without `values` get short texts or random numbers.

    values: by input name; repeated to fill the rows.

    Raises:
        ValueError: a value of a numeric input is no number.
    """
    generator, inputs = np.random.default_rng(0), {}
    for name, spec in signature.inputs.items():
        if spec.data_type == STRING:
            texts = values.get(name) or _TEXTS
            inputs[name] = np.resize(np.array(texts, object), rows)
        elif name in values:
            numbers = np.array([float(value) for value in values[name]], "float32")
            inputs[name] = np.resize(numbers, rows)
        else:
            inputs[name] = generator.random(rows).astype("float32")
    return inputs


def rows_of(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The inputs of a request in column form, as `instances` of a request in row form."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
