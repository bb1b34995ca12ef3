"""A frozen trunk whose representations are computed once trains the same model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.artifacts import Batches, Examples, ExportedModel, TrainedModel
from components.statistics.statistics_gen import StatisticsGen, StatisticsGenInputs
from components.training.recipe import TrainerInputs
from components.training.settings import Training
from components.training.trainer import Trainer
from components.transform.embed import Embed, EmbedInputs
from components.transform.transform import Transform, TransformInputs
from models.transfer.frozen import Frozen
from models.trunks.keras_hub import KerasHub
from pipeline.flow import prepare, recipe
from pipeline.run import run
from pipeline.runner import Runner
from pipeline.spec.load import load_spec
from pipeline.store.store import Store
from tests.integration.test_pretrained_trunks import INPUTS, TASKS, answers, context, examples
from tests.pretrained_files import image_module, text_preset

SPEC = """\
name: spam
data:
  sources: [{format: parquet, path: "examples/train/*.parquet"}]
inputs:
  words: {kind: text, column: text}
tasks:
  spam: {kind: binary, label: label, positive: spam}
model:
  trunk: {name: keras_hub, preset: preset, length: 8}
  transfer: frozen
  experts: none
training: {epochs: 2, batch_size: 16}
tracking: {backend: none}
store: store
push: {destination: served}
"""


def trained(spec_file: Path, *overrides: str) -> TrainedModel:
    """The model of a spec, from the stages up to the Trainer."""
    spec, _ = load_spec(spec_file, overrides)
    with Runner(Store(Path(spec.store))) as runner:
        return runner(Trainer.of(recipe(spec)), prepare(spec, runner)).model


def figures(model: TrainedModel) -> list[dict[str, float]]:
    """Of every epoch, without its times."""
    epochs = json.loads((model.path / "history.json").read_text())["epochs"]
    return [{k: v for k, v in e.items() if "seconds" not in k} for e in epochs]


def assert_same(
    embedded: TrainedModel,
    computed: TrainedModel,
    given: Examples,
    exported: ExportedModel | None = None,
) -> None:
    """exported: the embedded model's export, if there is one already."""
    for one, other in zip(figures(embedded), figures(computed), strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    served, expected = answers(embedded, given, exported)[1], answers(computed, given)[1]
    np.testing.assert_allclose(served, expected, atol=1e-4)


def test_figures_and_answers_are_the_same(tmp_path: Path) -> None:
    text_preset(tmp_path / "preset", layers=1)
    trunk = KerasHub(preset=str(tmp_path / "preset"), length=8)
    given = examples(tmp_path / "examples")
    statistics = StatisticsGen(images=(), texts=("text",)).run(
        StatisticsGenInputs(given), context(tmp_path / "statistics")
    )
    done = Transform(inputs=INPUTS, reading=trunk.reading()).run(
        TransformInputs(given, statistics.statistics), context(tmp_path / "transform")
    )
    embeddings = (
        Embed(trunk=trunk)
        .run(EmbedInputs(done.preprocessing, done.batches), context(tmp_path / "embed"))
        .embeddings
    )
    stage = Trainer(
        tasks=TASKS,
        trunk=trunk,
        transfer=Frozen(),
        training=Training(epochs=2, batch_size=16, learning_rate=0.02),
    )
    inputs = TrainerInputs(given, done.preprocessing, done.batches)
    computed = stage.run(inputs, context(tmp_path / "computed")).model
    unread = Batches(tmp_path / "none", "digest")
    embedded = stage.run(
        replace(inputs, batches=unread, embeddings=embeddings), context(tmp_path / "embedded")
    ).model
    assert_same(embedded, computed, given)


def test_the_pipeline_embeds_where_the_spec_lets_it(tmp_path: Path) -> None:
    text_preset(tmp_path / "preset", layers=1)
    given = examples(tmp_path / "examples")
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    store = Store(tmp_path / "store")
    computed = trained(spec, "model.transfer.embed=false")
    assert store.latest("Embed") is None
    ran = run(spec)
    embedded = ran.trained
    assert store.latest("Embed") is not None
    assert embedded != computed
    assert_same(embedded, computed, given, ran.model)


def test_images_that_change_in_every_epoch_are_not_embedded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image_module(tmp_path / "module")
    for i in range(60):
        kind = ("red", "blue")[i % 2]
        (tmp_path / "images" / kind).mkdir(parents=True, exist_ok=True)
        colour = (200 + i % 50, 0, 0) if kind == "red" else (0, 0, 200 + i % 50)
        Image.new("RGB", (8, 8), colour).save(tmp_path / "images" / kind / f"{i}.png")
    spec = tmp_path / "spec.yaml"
    spec.write_text("""\
name: colours
data:
  sources: [{format: image_folder, path: images}]
inputs:
  image: {kind: image, height: 8, width: 8}
tasks:
  red: {kind: binary, label: class, positive: red}
model:
  trunk: {name: tf_hub, handle: ./module}
  transfer: frozen
  experts: none
training: {epochs: 2, batch_size: 16, augment: {flip: true, brightness: 0.2}}
tracking: {backend: none}
store: store
push: {destination: served}
""")
    changed = trained(spec)
    assert "Embed: skipped, because training.augment changes images" in capsys.readouterr().err
    assert Store(tmp_path / "store").latest("Embed") is None
    plain = trained(spec, "training.augment.unless_frozen=true")
    assert Store(tmp_path / "store").latest("Embed") is not None
    assert figures(changed) != figures(plain)
