"""A small data set with every kind of input and task, as the Trainer gets it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from components.artifacts import Batches, Examples, Preprocessing
from components.data.raw import raw_inputs
from components.training.recipe import TrainerInputs
from components.transform.batches import write_shard
from components.transform.preprocessing_file import save_preprocessing
from models.inputs.base import Feature
from models.inputs.categorical import CategoricalFeature
from models.inputs.image import ImageFeature
from models.inputs.layers.preprocessing import Preprocessing as Preprocess
from models.inputs.numeric import NumericFeature
from models.inputs.text import TextFeature
from models.lazy import tf
from models.tasks.base import Task
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

FEATURES: tuple[Feature, ...] = (
    ImageFeature(name="image", column="photo", height=4, width=4, channels=1),
    TextFeature(name="note", column="note", length=4, vocabulary=("good", "bad")),
    NumericFeature(name="x", column="x", mean=0.0, deviation=1.0),
    CategoricalFeature(name="colour", column="colour", vocabulary=("red", "green")),
)
TASKS: tuple[Task, ...] = (
    BinaryTask(name="bright", label="bright", positive=("yes",)),
    MulticlassTask(name="tint", label="colour_label"),
    MultilabelTask(name="words", label="words", classes=("good", "bad")),
    RegressionTask(name="value", label="value"),
)
COLUMNS_ONLY = FEATURES[2:]


def rows(count: int, seed: int) -> pa.Table:
    """Labels follow from the inputs; `bright` and `value` are missing in every fifth row."""
    rng = np.random.default_rng(seed)
    grey, x = rng.integers(0, 256, count), rng.normal(size=count).astype(np.float32)
    colour, note = (
        rng.choice(["red", "green"], count),
        rng.choice(["good", "bad", "bad good"], count),
    )
    missing = np.arange(count) % 5 == 0
    return pa.table(
        {
            "photo": [_png(int(g)) for g in grey],
            "note": list(note),
            "x": x,
            "colour": list(colour),
            "bright": pa.array(np.where(grey > 127, "yes", "no"), mask=missing),
            "colour_label": list(colour),
            "words": [",".join(n.split()) for n in note],
            "value": pa.array(3.0 * x.astype(float) + 10, mask=missing),
        }
    )


def _png(grey: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4), grey, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def write_inputs(
    directory: Path,
    sizes: dict[str, int],
    features: tuple[Feature, ...] = FEATURES,
    drop: tuple[str, ...] = (),
) -> TrainerInputs:
    """Examples and batches of splits of these sizes, without the columns in `drop`."""
    preprocess = Preprocess(features)
    for seed, (split, size) in enumerate(sizes.items()):
        table = rows(size, seed).drop_columns(list(drop))
        for kind in ("examples", "batches"):
            (directory / kind / split).mkdir(parents=True)
        pq.write_table(table, directory / "examples" / split / "part-00000.parquet")
        raw = {n: tf.constant(v) for n, v in raw_inputs(table, features).items()}
        columns = {n: v.numpy() for n, v in preprocess(raw).items()}
        write_shard(directory / "batches" / split / "part-00000.arrow", columns, features)
    (directory / "preprocessing").mkdir()
    save_preprocessing(features, directory / "preprocessing")
    return TrainerInputs(
        Examples(directory / "examples"),
        Preprocessing(directory / "preprocessing"),
        Batches(directory / "batches"),
    )
