"""Trunks taken apart and walked through again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.inputs.base import Feature
from models.inputs.categorical import CategoricalFeature
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.inputs.sources.pretrained_tokens import tokens_feature
from models.inputs.text import TextFeature
from models.lazy import keras
from models.trunks.encoders.residual_convnet import ResidualConvnet
from models.trunks.keras_hub import KerasHub
from models.trunks.layers.members import members_of
from models.trunks.scratch import Scratch
from models.trunks.stages import Walk, stages_of
from tests.pretrained_files import SAMPLES, text_preset

IMAGE = ImageFeature(name="image", column="i", height=8, width=8, channels=1)
TEXT = TextFeature(name="text", column="t", length=5, vocabulary=("a", "b"))
COLUMNS = (
    NumericFeature(name="x", column="x", mean=0, deviation=1),
    CategoricalFeature(name="job", column="job", vocabulary=("cook",)),
)
NUMBER = (NumericFeature(name="x", column="x", mean=0, deviation=1, knots=(0.0, 1.0)),)
SCRATCH = Scratch(width=8, image=ResidualConvnet(widths=(4, 6)))


@pytest.mark.parametrize(
    ("features", "names"),
    [
        ((IMAGE,), ["image.stem", "image.stage1", "join"]),
        (COLUMNS, ["columns", "columns.dense0", "join"]),
        (NUMBER, ["columns", "columns.dense0", "join"]),
        (COLUMNS[1:], ["columns", "columns.dense0", "join"]),
        ((TEXT,), ["text.words", "join"]),
        ((IMAGE, *COLUMNS), ["join"]),
    ],
    ids=["image", "columns", "number", "category", "text", "both"],
)
def test_stages_end_where_everything_passes_through_one_tensor(
    features: tuple[Feature, ...], names: list[str]
) -> None:
    stages = [stage.name for stage in stages_of(SCRATCH.build(features))]
    assert stages[-len(names) :] == names


@pytest.mark.parametrize("features", [NUMBER, COLUMNS, COLUMNS[1:]])
def test_all_stages_give_the_same_rows(features: tuple[Feature, ...]) -> None:
    """A column alone passes through one tensor before members split, too."""
    trunk = SCRATCH.build(features)
    outputs = keras.Model(trunk.input, [stage.output for stage in stages_of(trunk)])
    rows = {f.name: np.ones(3, f.dtype) for f in features}
    assert {len(x) for x in outputs(rows)} == {3 * members_of(trunk)}


@pytest.mark.slow
@pytest.mark.parametrize("source", SAMPLES)
def test_pretrained_trunks_can_be_run_stage_by_stage(source: str, tmp_path: Path) -> None:
    sample = SAMPLES[source](tmp_path / "files")
    trunk = sample.trunk.build(sample.features)
    walk = Walk(trunk, trunk.input)
    for _ in walk.stages:
        end = walk.step()
    again = keras.Model(trunk.input, end)
    assert {id(w) for w in again.weights} == {id(w) for w in trunk.weights}


@pytest.mark.slow
def test_a_bert_is_cut_after_every_layer(tmp_path: Path) -> None:
    text_preset(tmp_path / "files", layers=2)
    trunk = KerasHub(preset=str(tmp_path / "files"), length=8)
    words = tokens_feature(trunk.reading(), "words", "t")
    names = [stage.name for stage in stages_of(trunk.build((words,)))]
    assert names[-2:] == ["stage0", "stage1"]


def test_the_output_of_a_stage_can_be_replaced() -> None:
    trunk = SCRATCH.build(COLUMNS)
    walk = Walk(trunk, trunk.input)
    walk.step()
    other = walk.fork()
    walk.replace_output(2 * walk.step())
    other.step()
    both = keras.Model(trunk.input, [other.step(), walk.step()])
    x = {"x": np.array([1.0, -2.0], np.float32), "job": np.array([0, 2], np.int32)}
    one, two = both(x)
    np.testing.assert_allclose(one, trunk(x), rtol=1e-6)
    assert not np.allclose(one, two)
