"""A served model and labelled examples of which everything is known, made without training."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.artifacts import Examples, ExportedModel
from components.data.digests import digest_tree
from components.export.expected_outputs import write_expected
from models.balancing.loss_based.equal import Equal
from models.inputs.categorical import CategoricalFeature
from models.inputs.numeric import NumericFeature
from models.multitask.record import ModelRecord, save_record
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.regression import RegressionTask
from models.trunks.scratch import Scratch

FEATURES = (
    NumericFeature(name="hours-per-week", column="hours", mean=0.0, deviation=1.0),
    CategoricalFeature(name="job", column="job", vocabulary=("cook", "smith")),
)
BINARY = BinaryTask(name="income", label="rich", positive=("yes",))
MULTICLASS = MulticlassTask(name="job_class", label="class")
NUMBER = RegressionTask(name="age", label="age")
TARGETS = (
    TaskTarget(task=BINARY, classes=("negative", "positive")),
    TaskTarget(task=MULTICLASS, classes=("a", "b", "c")),
    TaskTarget(task=NUMBER),
)
TASKS = (BINARY, MULTICLASS, NUMBER)


def answers(raw: Mapping[str, np.ndarray], slope: float) -> dict[str, np.ndarray]:
    """What the model answers; it has seen neither missing hours nor missing jobs."""
    hours = raw["hours-per-week"].astype("float64") * slope
    cook = np.array([job in (b"cook", "cook") for job in raw["job"]], "float64")
    logits = np.stack([cook, hours, -hours], axis=1)
    exponentials = np.exp(logits)
    return {
        "income": 1 / (1 + np.exp(-(hours + cook)))[:, None],
        "job_class": exponentials / exponentials.sum(axis=1, keepdims=True),
        "age": (40 + 10 * hours)[:, None],
    }


def write_model(path: Path, slope: float = 1.0) -> ExportedModel:
    """An `ExportedModel` that answers as `answers` does. Income is calibrated: before that, its
    logits were twice as large.
    """
    import tensorflow as tf

    from serving.signatures import SignatureInput, export

    owner = tf.Module()
    owner.slope = tf.Variable(slope)

    def graph(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        hours = raw["hours-per-week"] * owner.slope
        cook = tf.cast(raw["job"] == "cook", tf.float32)
        return {
            "income": tf.sigmoid(hours + cook)[:, None],
            "job_class": tf.nn.softmax(tf.stack([cook, hours, -hours], axis=1)),
            "age": (40 + 10 * hours)[:, None],
            "income.uncalibrated": tf.sigmoid(2 * (hours + cook))[:, None],
        }

    inputs = [SignatureInput("hours-per-week", "float32"), SignatureInput("job", "string")]
    path.mkdir(parents=True)
    export(graph, owner, inputs, [t.name for t in TARGETS], path / "saved_model")
    record = ModelRecord(
        features=FEATURES, targets=TARGETS, trunk=Scratch(), sharing=Hard(), balancing=Equal()
    )
    save_record(record, path)
    raw = {
        "hours-per-week": np.array([0.5, -1.0, 2.0], "float32"),
        "job": np.array([b"cook", b"smith", b"poet"], object),
    }
    write_expected(path / "expected.parquet", raw, answers(raw, slope))
    return ExportedModel(path, digest_tree(path))


def write_examples(path: Path, rows: Mapping[str, int], labels: bool = True) -> Examples:
    """`rows[split]` examples in each split, in two shards; every fifth lacks its labels."""
    rng = np.random.default_rng(0)
    for split, count in rows.items():
        (path / split).mkdir(parents=True)
        hours = rng.normal(size=count).astype("float32")
        rich = np.where(hours + rng.normal(size=count) > 0, "yes", "no").astype(object)
        classes = rng.choice(["a", "b", "c"], count).astype(object)
        age = (40 + 10 * hours + rng.normal(size=count)).astype(object)
        for column in (rich, classes, age):
            column[::5] = None
        columns = {"hours": pa.array(hours), "job": pa.array(rng.choice(["cook", "smith"], count))}
        if labels:
            columns |= {
                "rich": pa.array(rich),
                "class": pa.array(classes),
                "age": pa.array(age, pa.float64()),
            }
        table = pa.table(columns)
        for shard, start in enumerate(range(0, count, (count + 1) // 2)):
            file = path / split / f"part-{shard:05}.parquet"
            pq.write_table(table.slice(start, (count + 1) // 2), file)
    return Examples(path, digest_tree(path))
