"""A text, a picture and a number in one model, each read by a trunk of its own."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.artifacts import ExportedModel, TrainedModel
from components.data.raw import raw_inputs
from components.export.exporter import Exporter, ExporterInputs
from components.export.keras_model import KerasModel, load_keras
from components.stage import Context, Silent
from components.training.recipe import TrainerInputs
from components.training.trainer import Trainer
from components.transform.batches import load_columns, stored_representation
from models.lazy import tf
from models.multitask.by_input import ByInput
from models.trunks.keras_hub import KerasHub
from pipeline.flow import prepare, recipe
from pipeline.run import run
from pipeline.runner import Runner
from pipeline.spec.load import load_spec
from pipeline.store.store import Store
from tests.pretrained_files import image_preset, text_preset
from tests.pretrained_words import WORDS

SPEC = """\
name: offers
data:
  sources: [{format: parquet, path: rows.parquet}]
  splits: {train: 0.7, val: 0.2, test: 0.1}
inputs:
  message: {kind: text}
  photo: {kind: image, height: 16, width: 16}
  price: {kind: numeric}
tasks:
  spam: {kind: binary, label: label, positive: spam}
model:
  trunks:
    words: {inputs: [message], trunk: {name: keras_hub, preset: bert, length: 8}, transfer: frozen}
    photo: {trunk: {name: keras_hub, preset: resnet}, transfer: {name: lora, rank: 2}}
  trunk: {name: scratch, width: 8, dropout: 0.2, columns: {layers: [8], members: 2}}
  experts: none
training: {epochs: 3, batch_size: 16, learning_rate: 0.01}
tracking: {backend: none}
store: store
push: {destination: served}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows are spam if they say "free" or are dear."""
    project = tmp_path_factory.mktemp("project")
    rng, rows = np.random.default_rng(0), 60
    messages = [" ".join(rng.choice(WORDS, 5)) for _ in range(rows)]
    prices = rng.normal(size=rows).astype(np.float32)
    spam = [("free" in m.split()) or p > 1 for m, p in zip(messages, prices, strict=True)]
    table = pa.table(
        {
            "message": messages,
            "photo": [_png(rng) for _ in range(rows)],
            "price": prices,
            "label": np.where(spam, "spam", "ham"),
        }
    )
    pq.write_table(table, project / "rows.parquet")
    text_preset(project / "bert", layers=1)
    image_preset(project / "resnet")
    (project / "spec.yaml").write_text(SPEC)
    return project


def _png(rng: np.random.Generator) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def prepared(project: Path, *overrides: str) -> tuple[Trainer, TrainerInputs]:
    spec, _ = load_spec(project / "spec.yaml", overrides)
    with Runner(Store(Path(spec.store))) as runner:
        return Trainer.of(recipe(spec)), prepare(spec, runner)


def trained(
    project: Path, trainer: Trainer, inputs: TrainerInputs, directory: Path
) -> tuple[TrainedModel, KerasModel]:
    model = trainer.run(inputs, context(directory)).model
    return model, load_keras(model)


def context(directory: Path, **more: Silent) -> Context:
    for name in ("output", "scratch"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    return Context(directory / "output", directory / "scratch", **more)


@pytest.fixture(scope="module")
def embedded(project: Path) -> tuple[TrainedModel, KerasModel, TrainerInputs]:
    trainer, inputs = prepared(project)
    return *trained(project, trainer, inputs, project / "embedded"), inputs


def weights(served: KerasModel, part: str) -> dict[str, np.ndarray]:
    return {v.path: np.asarray(v) for v in served.model.trunk.parts[part].weights}


def test_each_trunk_adapts_in_its_own_way(
    project: Path, embedded: tuple[TrainedModel, KerasModel, TrainerInputs]
) -> None:
    served = embedded[1]
    pretrained = KerasHub(preset=str(project / "bert"), length=8)
    feature = [f for f in served.record.features if f.name == "message"]
    assert isinstance(served.record.trunk, ByInput)
    before = pretrained.build(tuple(feature)).weights
    after = weights(served, "words").values()
    for expected, weight in zip(before, after, strict=True):
        np.testing.assert_array_equal(weight, np.asarray(expected))

    photo = KerasHub(preset=str(project / "resnet"))
    feature = [f for f in served.record.features if f.name == "photo"]
    changed = {
        name
        for weight, (name, value) in zip(
            photo.build(tuple(feature)).weights, weights(served, "photo").items(), strict=True
        )
        if not np.array_equal(weight, value)
    }
    assert changed
    assert all(name.endswith("kernel") for name in changed)  # the merged updates of LoRA


def test_what_frozen_trunks_compute_is_stored(
    project: Path, embedded: tuple[TrainedModel, KerasModel, TrainerInputs]
) -> None:
    _, served, inputs = embedded
    assert inputs.embeddings is not None
    column = stored_representation(inputs.embeddings)
    assert column.width == 8  # of the small BERT, without the columns of others
    stored = load_columns(inputs.embeddings, "val", (column,))[column.name]
    np.testing.assert_allclose(stored.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(stored.std(axis=1), 1, atol=1e-3)
    message = next(f for f in served.record.features if f.name == "message")
    tokens = {"message": load_columns(inputs.batches, "val", (message,))["message"]}
    np.testing.assert_allclose(served.model.encode(tokens), stored, atol=1e-5)


def test_embedding_changes_no_answer(
    project: Path, embedded: tuple[TrainedModel, KerasModel, TrainerInputs]
) -> None:
    trainer, inputs = prepared(project, "model.trunks.words.transfer.embed=false")
    assert inputs.embeddings is None
    _, computed = trained(project, trainer, inputs, project / "computed")
    raw = raw_inputs(inputs.examples.read("val"), computed.record.features)
    answers = [np.asarray(m(raw)["spam"]) for m in (embedded[1], computed)]
    np.testing.assert_allclose(*answers, atol=1e-4)
    assert np.ptp(answers[0]) > 0.01


def test_it_is_served_with_the_same_answers(
    project: Path, embedded: tuple[TrainedModel, KerasModel, TrainerInputs]
) -> None:
    model, rebuilt, inputs = embedded
    stage = Exporter().run(ExporterInputs(model, inputs.examples), context(project / "exported"))
    _assert_served_alike(stage.model, rebuilt, inputs)


@pytest.mark.slow
def test_a_linear_expert_reads_what_frozen_trunks_compute(
    project: Path, embedded: tuple[TrainedModel, KerasModel, TrainerInputs]
) -> None:
    result = run(project / "spec.yaml", ["model.experts=[linear]", "training.epochs=1"])
    rebuilt = load_keras(result.trained)
    assert [e.name for e in rebuilt.record.experts] == ["linear.representation", "linear.columns"]
    _assert_served_alike(result.model, rebuilt, embedded[2])


def _assert_served_alike(
    exported: ExportedModel, rebuilt: KerasModel, inputs: TrainerInputs
) -> None:
    raw = raw_inputs(inputs.examples.read("test"), rebuilt.record.features)
    served = tf.saved_model.load(str(exported.saved_model)).signatures["serving_default"]
    dtypes = {f.name: f.raw_dtype for f in rebuilt.record.features}
    values = {n: tf.constant(v, dtypes[n]) for n, v in raw.items()}
    np.testing.assert_allclose(served(**values)["spam"], rebuilt(raw)["spam"], atol=1e-5)


class Stops(Silent):
    """Raises when the second epoch is over, before its checkpoint."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        if step == 1:
            raise KeyboardInterrupt


def test_an_interrupted_training_goes_on(
    project: Path, embedded: tuple[TrainedModel, KerasModel, TrainerInputs]
) -> None:
    trainer, inputs = prepared(project)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(inputs, context(project / "stopped", observer=Stops()))
    _, resumed = trained(project, trainer, inputs, project / "stopped")
    for weight, expected in zip(resumed.model.weights, embedded[1].model.weights, strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-6, err_msg=weight.path)
