from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import mean_poisson_deviance

from components.errors import RootstockError
from components.labels.base import LabelColumn, LabelSample, labels_of
from components.labels.encoding import encode, resolve
from models.tasks.count import CountTask

TASK = CountTask(name="visits", label="y")
LABELS = labels_of(TASK)


def column(values: list[object]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


def statistics(**changes: object) -> LabelColumn:
    known = {"type": "int64", "shape": "numbers", "present": 9, "deviation": 1.0} | changes
    return LabelColumn(**known)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [[3, 0, None, 12], [3.0, 0.0, np.nan, 12.0]])
def test_counts_are_whole_numbers(values: list[object]) -> None:
    encoded = encode(resolve(TASK, column(values)), column(values), 4)
    assert encoded.dtype == np.float32
    np.testing.assert_array_equal(encoded, [3, 0, np.nan, 12])
    assert resolve(TASK, column(values)).labelled == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, None, -2], r"tasks\.visits: label -2 of column 'y', row 2, is no count"),
        ([1.0, 2.5], r"label 2\.5 of column 'y', row 1, is no count\. Expected whole numbers of 0"),
        ([0.0, float("inf")], r"label inf of column 'y', row 1, is not finite"),
        (["1", "2"], r"holds string values\. Expected whole numbers of 0 or more for a count task"),
        ([True, False], r"holds bool values\. Expected whole numbers of 0 or more"),
    ],
)
def test_other_labels_are_refused(values: list[object], message: str) -> None:
    with pytest.raises(RootstockError, match=message):
        resolve(TASK, column(values))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"counts": (("1", 8), ("2.5", 1))}, "holds labels that are no counts: '2.5' (1 rows)."),
        ({"counts": (("1", 8), ("-1", 1)), "minimum": -1}, "no counts: '-1' (1 rows)."),
        ({"truncated": True, "minimum": -3}, "goes down to -3."),
        ({"deviation": 0.0, "mean": 4.0}, "is 4: there is nothing to learn."),
        ({"infinite": 2, "counts": (("inf", 2), ("1", 7))}, "2 labels in column 'y' of train are"),
    ],
)
def test_validation_says_what_is_wrong(found: dict[str, object], message: str) -> None:
    (sentence,) = LABELS.problems(TASK, {"train": statistics(**found)})
    assert message in sentence


def test_a_column_is_never_guessed_to_be_counts() -> None:
    sample = LabelSample(shape="numbers", rows=100, counts={str(i): 2 for i in range(50)})
    assert LABELS.guess(sample) is None


def test_poisson_regression_beats_the_mean() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 2))
    frame = pd.DataFrame(x, columns=["a", "b"])
    counts = rng.poisson(np.exp(0.5 + 0.8 * x[:, 0] - 0.4 * x[:, 1])).astype(np.float32)
    labels = counts.copy()
    labels[::4] = np.nan
    linear = LABELS.fit(lambda: LABELS.estimator("linear", 0), frame, labels, 0)
    mean = np.full((len(counts), 1), np.nanmean(labels))
    fitted = mean_poisson_deviance(counts, linear(frame)[:, 0])
    assert fitted < 0.7 * mean_poisson_deviance(counts, mean[:, 0])
    truth = mean_poisson_deviance(counts, np.exp(0.5 + 0.8 * x[:, 0] - 0.4 * x[:, 1]))
    assert fitted == pytest.approx(truth, rel=0.02)


def test_rows_without_a_single_event() -> None:
    frame, labels = pd.DataFrame({"a": [1.0, 2.0]}), np.zeros(2, np.float32)
    predict = LABELS.fit(lambda: LABELS.estimator("boosting", 0), frame, labels, 0)
    np.testing.assert_array_equal(predict(frame), [[0], [0]])
