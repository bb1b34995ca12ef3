"""Columns of a logged model, asked by MLflow itself with what pandas reads from a file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.artifacts import ExportedModel
from components.export.expected_outputs import write_expected
from models.balancing.loss_based.equal import Equal
from models.inputs.categorical import CategoricalFeature
from models.multitask.record import ModelRecord, save_record
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.trunks.scratch import Scratch
from models.values import text_of
from pipeline.tracking import served_model
from pipeline.tracking.logged_model import SAVED_MODEL, signature_of, write_model

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")
SPAM = TaskTarget(task=BinaryTask(name="spam", label="spam"), classes=("no", "yes"))


def category(*vocabulary: str) -> CategoricalFeature:
    return CategoricalFeature(name="store", column="store", vocabulary=vocabulary)


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A logged model whose answer is yes for store 3, no for store 4, and 0.5 without a store."""
    import mlflow
    import tensorflow as tf

    from serving.signatures import SignatureInput, export

    def graph(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        known = [
            tf.where(raw["store"] == v, p, 0.0) for v, p in (("3", 0.9), ("4", 0.1), ("", 0.5))
        ]
        return {"spam": tf.add_n(known)[:, None]}

    path, logged = tmp_path_factory.mktemp("trained"), tmp_path_factory.mktemp("logged")
    record = ModelRecord(
        features=(category("4", "3"),),
        targets=(SPAM,),
        trunk=Scratch(),
        sharing=Hard(),
        balancing=Equal(),
    )
    save_record(record, path)
    values = {"store": np.array([b"3"], object)}
    write_expected(path / "expected.parquet", values, {"spam": np.array([[0.9]])})
    write_model(ExportedModel(path), "m-1", "0" * 32, logged)
    export(graph, tf.Module(), [SignatureInput("store", "string")], ["spam"], logged / SAVED_MODEL)
    return mlflow.pyfunc.load_model(str(logged))


@pytest.mark.slow
@pytest.mark.parametrize("file", ["store\n3\n4\n", "store\n3\n4\n\n", "store\n3\n4\nx\n"])
def test_categories_that_are_numbers_are_asked_as_pandas_reads_them(
    champion: Any, file: str
) -> None:
    rows = pd.read_csv(io.StringIO(file), skip_blank_lines=False)
    assert list(champion.predict(rows)["spam"][:2]) == ["yes", "no"]
    missing = champion.predict(rows, params={"probabilities": True})["spam=yes"][2:]
    assert list(missing) == pytest.approx(
        [0.5 if rows["store"].isna().any() else 0.0] * len(missing)
    )


@pytest.mark.parametrize(
    ("vocabulary", "expected"),
    [
        (("3", "14"), "Any"),
        (("3", "2.5", "other"), "Any"),
        (("true", "false"), "Any"),
        (("007", "14"), "string"),  # pandas reads 7: let MLflow refuse it
        (("True", "False"), "string"),
        (("cook", "smith"), "string"),
        ((), "string"),
    ],
)
def test_only_categories_that_pandas_does_not_change_may_be_numbers(
    vocabulary: tuple[str, ...], expected: str
) -> None:
    (column,) = signature_of([category(*vocabulary)], [SPAM]).inputs.to_dict()
    assert column["type"].lower() == expected.lower()


@pytest.mark.parametrize("value", ["3", "", True, 3, 3.0, 2.5, 1e300, -0.0, float("inf")])
def test_texts_of_values_are_those_of_training(value: Any) -> None:
    assert served_model.text_of(value) == text_of(value)
    assert served_model.text_of(np.array([value])[0]) == text_of(value)
