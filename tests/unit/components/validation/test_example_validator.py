from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.artifacts import Anomalies, Examples
from components.stage import Context
from components.statistics.statistics_gen import StatisticsGen, StatisticsGenInputs
from components.validation.anomalies import errors, warnings
from components.validation.example_validator import ExampleValidator, ExampleValidatorInputs
from components.validation.schema_gen import SchemaGen, SchemaGenInputs
from models.inputs.base import Input
from models.inputs.categorical import CategoricalInput
from models.inputs.image import ImageInput
from models.inputs.numeric import NumericInput
from models.tasks.base import Task
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

inf = float("inf")
TRAIN = pa.table(
    {
        "kind": ["cat", "dog", "cat", "bird"],
        "same": ["a", "a", "a", "a"],
        "flat": [2.0, 2.0, 2.0, 2.0],
        "size": [1.0, 2.0, 3.0, 4.0],
        "endless": [1.0, inf, 2.0, 3.0],
        "never": pa.array([None] * 4, pa.string()),
        "later": ["x", "y", "x", "y"],
        "tags": ["red,blue", "red", "", "blue"],
    }
)
VAL = pa.table(
    {
        "kind": ["cat", "fish"],
        "same": ["a", "a"],
        "flat": [1.0, 2.0],
        "size": [1.0, 2.0],
        "endless": [1.0, 1.0],
        "never": ["x", "y"],
        "later": pa.array([None, None], pa.string()),
        "tags": ["green", None],
    }
)


@pytest.fixture
def validate(tmp_path: Path, new_context: Callable[[str], Context]) -> Callable[..., Anomalies]:
    for split, rows in {"train": TRAIN, "val": VAL}.items():
        (tmp_path / "e" / split).mkdir(parents=True)
        pq.write_table(rows, tmp_path / "e" / split / "part-00000.parquet")
    examples = Examples(tmp_path / "e", "digest")
    statistics = StatisticsGen().run(StatisticsGenInputs(examples), new_context("s")).statistics
    schema = SchemaGen().run(SchemaGenInputs(statistics), new_context("g")).schema

    def validate(
        inputs: tuple[Input, ...] = (), tasks: tuple[Task, ...] = (), weight: str | None = None
    ) -> Anomalies:
        stage = ExampleValidator(inputs=inputs, tasks=tasks, weight=weight)
        given = ExampleValidatorInputs(statistics, schema)
        return stage.run(given, new_context("v")).anomalies

    return validate


def test_nothing_wrong(validate: Callable[..., Anomalies]) -> None:
    found = validate(
        (NumericInput(name="size", column="size"),),
        (BinaryTask(name="cat", label="kind", positive=("cat",)),),
    )
    assert errors(found) == []
    assert _but_few(found) == []


def _but_few(found: Anomalies) -> list[str]:
    """The warnings without those on classes of few rows, which tiny data always has."""
    return [sentence for sentence in warnings(found) if "fewer than 20 rows" not in sentence]


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ("size", None),
        ("kind", r"'kind' holds string values\. Expected numbers"),
        ("nothing", r"evaluation\.weight: .*'nothing'"),
        ("endless", None),
    ],
)
def test_row_weights(validate: Callable[..., Anomalies], weight: str, message: str | None) -> None:
    found = errors(validate((), (), weight))
    assert len(found) == (message is not None)
    assert message is None or re.search(message, found[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "message"),
    [
        (
            BinaryTask(name="t", label="knid", positive=("cat",)),
            "tasks.t: label column 'knid' is not in the examples. Did you mean 'kind'?",
        ),
        (
            BinaryTask(name="t", label="kind", positive=("cta",)),
            "tasks.t: all 4 labels of train in column 'kind' are negative: positive is 'cta', and"
            " the column holds 'cat' (2 rows), 'bird' (1 rows), 'dog' (1 rows)."
            " Did you mean 'cat'?",
        ),
        (
            BinaryTask(name="t", label="kind", positive=("cat", "bird")),
            "tasks.t: column 'kind' of val holds labels outside the domain: 'fish' (1 rows)."
            " 'fish' is not in the classes of the training split (cat, bird, dog).",
        ),
        (
            BinaryTask(name="t", label="same", positive=("a",)),
            "tasks.t: all 4 labels of train in column 'same' are positive",
        ),
        (
            MulticlassTask(name="t", label="same"),
            "tasks.t: all labels of train in column 'same' mean class 'a'",
        ),
        (
            MulticlassTask(name="t", label="kind"),
            "tasks.t: column 'kind' of val holds labels outside the domain: 'fish' (1 rows)."
            " 'fish' is not in the classes of the training split (bird, cat, dog)",
        ),
        (
            MulticlassTask(name="t", label="kind", classes=("cat", "dog", "bird", "fish")),
            "tasks.t: class 'fish' has no examples in train",
        ),
        (
            MulticlassTask(name="t", label="kind", map={"cat": "pet", "dog": "pet", "fish": "w"}),
            "tasks.t: column 'kind' of train holds labels outside the domain: 'bird' (1 rows)."
            " 'bird' is not in the task's `map` (cat, dog, fish)",
        ),
        (
            MultilabelTask(name="t", label="tags"),
            "tasks.t: column 'tags' of val holds labels outside the domain: 'green' (1 rows)",
        ),
        (
            RegressionTask(name="t", label="flat"),
            "tasks.t: every label in column 'flat' of train is 2: there is nothing to learn",
        ),
        (
            RegressionTask(name="t", label="endless"),
            "tasks.t: 1 labels in column 'endless' of train are infinite",
        ),
        (
            RegressionTask(name="t", label="kind"),
            "tasks.t: label column 'kind' holds string values. Expected numbers",
        ),
        (
            BinaryTask(name="t", label="never", positive=("x",)),
            "tasks.t: no row of train has a label in column 'never' (4 rows)",
        ),
    ],
)
def test_labels_that_cannot_be_learned(
    validate: Callable[..., Anomalies], task: Task, message: str
) -> None:
    assert any(e.startswith(message) for e in errors(validate(tasks=(task,)))), errors(
        validate(tasks=(task,))
    )


def test_labels_missing_outside_train_are_a_warning(validate: Callable[..., Anomalies]) -> None:
    found = validate(tasks=(BinaryTask(name="t", label="later", positive=("x",)),))
    assert errors(found) == []
    assert _but_few(found) == ["tasks.t: no row of val has a label in column 'later' (2 rows)."]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (NumericInput(name="n", column="sise"), "inputs.n: column 'sise' is not in the examples."),
        (NumericInput(name="n", column="kind"), "inputs.n: column 'kind' holds string values such"),
        (
            ImageInput(name="n", column="kind", height=1, width=1),
            "inputs.n: column 'kind' holds string values. Expected encoded images",
        ),
        (
            NumericInput(name="n", column="endless"),
            "inputs.n: column 'endless' holds 1 infinite values in train",
        ),
    ],
)
def test_inputs_that_cannot_be_read(
    validate: Callable[..., Anomalies], given: Input, message: str
) -> None:
    [error] = errors(validate((given,)))
    assert error.startswith(message)


def test_unseen_categories_are_a_warning(validate: Callable[..., Anomalies]) -> None:
    found = validate((CategoricalInput(name="k", column="kind"),))
    assert errors(found) == []
    [warning] = warnings(found)
    assert warning.startswith("inputs.k: val holds values that train does not: 'fish' (1 rows).")


def test_proto_holds_one_entry_per_subject_and_severity(validate: Callable[..., Anomalies]) -> None:
    found = validate(
        (CategoricalInput(name="k", column="kind"),),
        (MulticlassTask(name="t", label="kind", classes=("cat", "fish", "cow")),),
    )
    text = (found.path / "anomalies.pbtxt").read_text()
    proto = text_format.Parse(text, anomalies_pb2.Anomalies())
    assert sorted(proto.anomaly_info) == ["inputs.k (warning)", "tasks.t", "tasks.t (warning)"]
    assert proto.anomaly_info["tasks.t"].severity == anomalies_pb2.AnomalyInfo.ERROR
    assert len(errors(found)) == len(proto.anomaly_info["tasks.t"].reason) == 3


def test_numbers_that_are_categories_and_labels_that_look_missing(
    tmp_path: Path, new_context: Callable[[str], Context]
) -> None:
    amounts, labels = [f"{i}.5" for i in range(99)], ["yes", "no"] * 49
    rows = pa.table({"x": [*amounts, "n/a"], "y": [*labels, "NA", "NA"]})
    (tmp_path / "examples" / "train").mkdir(parents=True)
    pq.write_table(rows, tmp_path / "examples" / "train" / "00000.parquet")
    statistics = StatisticsGen().run(
        StatisticsGenInputs(Examples(tmp_path / "examples")), new_context("statistics")
    )
    schema = SchemaGen().run(SchemaGenInputs(statistics.statistics), new_context("schema"))
    stage = ExampleValidator(
        inputs=(CategoricalInput(name="x", column="x"),),
        tasks=(BinaryTask(name="y", label="y", positive=("yes",)),),
    )
    given = ExampleValidatorInputs(statistics.statistics, schema.schema)
    found = warnings(stage.run(given, new_context("anomalies")).anomalies)
    assert found[0].startswith(
        "inputs.x: 100.0% of the values of column 'x' are numbers, but it is text because of"
        " 'n/a' (1 rows)"
    )
    assert "column 'y' holds 'NA' (2 rows), which usually means a missing value" in found[1]


def test_what_training_goes_on_with(tmp_path: Path, new_context: Callable[[str], Context]) -> None:
    """Columns without information, one that gives the label away, and a class of few rows."""
    answers = ["a", "b"] * 40 + ["c"] * 3
    rows = pa.table(
        {
            "flat": [2.5] * 83,
            "same": ["x"] * 83,
            "empty": pa.array([None] * 83, pa.float64()),
            "some": pa.array([1.0, None] * 41 + [1.0]),  # constant, but sometimes missing
            "copy": [f"is {a}" for a in answers],
            "row": [f"r{i}" for i in range(83)],
            "answer": answers,
        }
    )
    (tmp_path / "examples" / "train").mkdir(parents=True)
    pq.write_table(rows, tmp_path / "examples" / "train" / "00000.parquet")
    examples = Examples(tmp_path / "examples")
    statistics = StatisticsGen().run(StatisticsGenInputs(examples), new_context("s")).statistics
    schema = SchemaGen().run(SchemaGenInputs(statistics), new_context("g")).schema
    words = [CategoricalInput(name=n, column=n) for n in ("same", "copy", "row")]
    numbers = [NumericInput(name=n, column=n) for n in ("flat", "empty", "some")]
    stage = ExampleValidator(
        inputs=(*numbers, *words), tasks=(MulticlassTask(name="t", label="answer"),)
    )
    given = ExampleValidatorInputs(statistics, schema, examples=examples)
    found = stage.run(given, new_context("v")).anomalies
    assert errors(found) == []
    beginnings = (
        "inputs.empty: column 'empty' has no values in train.",
        "inputs.flat: column 'flat' is 2.5 in every row of train: nothing can be learned from it.",
        "inputs.same: column 'same' is 'x' in every row of train: nothing can be learned from it.",
        "tasks.t: column 'answer' of train has fewer than 20 rows of 'c' (3 rows). ",
        "tasks.t: column 'copy' (input copy) alone gives the label away: on held-out rows of train"
        " it avoids ",
    )
    for sentence, beginning in zip(warnings(found), beginnings, strict=True):
        assert sentence.startswith(beginning)
