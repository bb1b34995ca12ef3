"""The columns by which pandas users read the answers of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.tracking.served_model import Answer, columns_of


@pytest.mark.parametrize(
    ("answer", "values", "expected", "each"),
    [
        (Answer(name="t"), [[3.5]], {"t": [3.5]}, {"t": [3.5]}),
        (
            Answer(name="t", classes=("no", "yes"), decision=0.25),
            [[0.375], [0.125]],
            {"t": ["yes", "no"], "t_probability": [0.375, 0.875]},
            {"t=no": [0.625, 0.875], "t=yes": [0.375, 0.125]},
        ),
        (
            Answer(name="t", classes=("a", "b", "c")),
            [[0.25, 0.5, 0.25]],
            {"t": ["b"], "t_probability": [0.5]},
            {"t=a": [0.25], "t=b": [0.5], "t=c": [0.25]},
        ),
        (
            Answer(name="t", classes=("a", "b"), several=True),
            [[0.75, 0.625], [0.25, 0.125]],
            {"t": [["a", "b"], []]},
            {"t=a": [0.75, 0.25], "t=b": [0.625, 0.125]},
        ),
    ],
)
def test_answers_have_names(
    answer: Answer, values: list[list[float]], expected: Any, each: Any
) -> None:
    array = np.array(values)
    found = {name: list(v) for name, v in columns_of(answer, {"t": array}, False).items()}
    assert found == expected
    assert {name: list(v) for name, v in columns_of(answer, {"t": array}, True).items()} == each


def test_intervals_and_sets_are_columns() -> None:
    outputs = {
        "price": np.array([[3.5], [4.5]]),
        "price.lower": np.array([[3.0], [4.0]]),
        "price.upper": np.array([[5.0], [6.0]]),
        "job": np.array([[0.25], [0.75]]),
        "job.set": np.array([[True, False], [True, True]]),
    }
    price = columns_of(Answer(name="price"), outputs, False)
    bounds = {name: list(price[f"price_{name}"]) for name in ("lower", "upper")}
    assert bounds == {"lower": [3.0, 4.0], "upper": [5.0, 6.0]}
    job = columns_of(Answer(name="job", classes=("cook", "nurse")), outputs, False)
    assert job["job_set"] == [["cook"], ["cook", "nurse"]]
