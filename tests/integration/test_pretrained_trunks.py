"""From raw columns through Transform and Trainer to a served model, with pretrained trunks whose
files are gone when the model is loaded.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.artifacts import Examples, ExportedModel, TrainedModel
from components.data.raw import raw_inputs
from components.errors import RootstockError
from components.export.exporter import Exporter, ExporterInputs
from components.export.keras_model import load_keras
from components.stage import Context
from components.statistics.statistics_gen import StatisticsGen, StatisticsGenInputs
from components.training.recipe import TrainerInputs
from components.training.settings import Training
from components.training.trainer import Trainer
from components.transform.batches import load_columns
from components.transform.preprocessing_file import load_preprocessing
from components.transform.transform import Transform, TransformInputs
from models.inputs.base import Input
from models.inputs.encodings import Raw
from models.inputs.text import TextInput
from models.lazy import tf
from models.tasks.binary import BinaryTask
from models.trunks.base import Trunk
from models.trunks.keras_hub import KerasHub
from models.trunks.tf_hub import TfHub
from models.trunks.trained import Registry
from tests.pretrained_files import bert_modules, text_preset
from tests.pretrained_words import WORDS

INPUTS: tuple[Input, ...] = (TextInput(name="words", column="text"),)
TASKS = (BinaryTask(name="spam", label="label", positive=("spam",)),)


def examples(directory: Path) -> Examples:
    """Messages are spam where they say "free"."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 96), ("val", 32)):
        texts = [" ".join(rng.choice(WORDS, 5)) for _ in range(count)]
        labels = ["spam" if "free" in t.split() else "ham" for t in texts]
        (directory / split).mkdir(parents=True)
        table = pa.table({"text": [*texts[:-1], None], "label": labels})
        pq.write_table(table, directory / split / "part-00000.parquet")
    return Examples(directory, "digest")


def context(directory: Path) -> Context:
    for name in ("output", "scratch"):
        (directory / name).mkdir(parents=True)
    return Context(directory / "output", directory / "scratch")


def trained(trunk: Trunk, given: Examples, directory: Path, epochs: int = 16) -> TrainedModel:
    statistics = StatisticsGen(images=(), texts=("text",)).run(
        StatisticsGenInputs(given), context(directory / "statistics")
    )
    prepared = Transform(inputs=INPUTS, reading=trunk.reading()).run(
        TransformInputs(given, statistics.statistics), context(directory / "transform")
    )
    training = Training(epochs=epochs, batch_size=16, learning_rate=0.02)
    return (
        Trainer(tasks=TASKS, trunk=trunk, training=training)
        .run(
            TrainerInputs(given, prepared.preprocessing, prepared.batches),
            context(directory / "trainer"),
        )
        .model
    )


def answers(
    model: TrainedModel, given: Examples, exported: ExportedModel | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """What the Keras model and the served one predict for the validation rows.

    exported: the model's export; if there is none yet, it is made.
    """
    rebuilt = load_keras(model)
    raw = raw_inputs(given.read("val"), rebuilt.record.features)
    with TemporaryDirectory() as directory:
        if exported is None:
            exported = Exporter().run(ExporterInputs(model, given), context(Path(directory))).model
        served = tf.saved_model.load(str(exported.saved_model))
        values = {n: tf.constant(v, tf.string) for n, v in raw.items()}
        return np.asarray(rebuilt(raw)["spam"]), np.asarray(
            served.signatures["serving_default"](**values)["spam"]
        )


@pytest.mark.parametrize("source", ["keras_hub", "tf_hub"])
def test_a_trained_model_does_not_need_its_pretrained_files(tmp_path: Path, source: str) -> None:
    files = tmp_path / "files"
    if source == "keras_hub":
        text_preset(files, layers=1)
        trunk: Trunk = KerasHub(preset=str(files), length=8)
    else:
        bert_modules(files)
        trunk = TfHub(handle=str(files / "encoder"), preprocess=str(files / "preprocess"))
    given = examples(tmp_path / "examples")
    model = trained(trunk, given, tmp_path / "first")
    shutil.rmtree(files)
    moved = TrainedModel(model.path.rename(tmp_path / "moved"))
    keras_answers, served_answers = answers(moved, given)
    np.testing.assert_allclose(served_answers, keras_answers, atol=1e-5)
    labels = np.array(given.read("val")["label"].to_pylist()) == "spam"
    assert np.mean((keras_answers[:-1, 0] > 0.5) == labels[:-1]) > 0.85
    assert str(tmp_path).encode() not in (moved.path / "model.json").read_bytes()

    # Its trunk is the start of another model, which reads texts as it does.
    again = Registry(model=str(moved.path))
    second = trained(again, given, tmp_path / "second", epochs=1)
    shutil.rmtree(moved.path)
    keras_answers, served_answers = answers(second, given)
    np.testing.assert_allclose(served_answers, keras_answers, atol=1e-5)


def test_raw_texts_pass_through_batches(tmp_path: Path) -> None:
    given = examples(tmp_path / "examples")
    statistics = StatisticsGen(images=(), texts=("text",)).run(
        StatisticsGenInputs(given), context(tmp_path / "statistics")
    )
    prepared = Transform(inputs=INPUTS, reading=Raw()).run(
        TransformInputs(given, statistics.statistics), context(tmp_path / "transform")
    )
    features = load_preprocessing(prepared.preprocessing)
    found = load_columns(prepared.batches, "train", features)["words"]
    texts = given.read("train")["text"].to_pylist()
    assert found.tolist() == [(t or "").encode() for t in texts]


def test_transform_refuses_a_preset_without_a_tokenizer(tmp_path: Path) -> None:
    given = examples(tmp_path / "examples")
    (tmp_path / "files").mkdir()
    with pytest.raises(RootstockError, match=r"model\.trunk: preset .*no tokenizer"):
        trained(KerasHub(preset=str(tmp_path / "files")), given, tmp_path / "run")
