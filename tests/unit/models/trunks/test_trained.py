"""Finding a trained model, and reading inputs like it does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from models.inputs.categorical import CategoricalFeature
from models.inputs.encodings import AsTrained
from models.inputs.image import ImageFeature, ImageInput
from models.inputs.numeric import NumericFeature, NumericInput
from models.inputs.text import TextFeature, TextInput
from models.inputs.trained import as_trained
from models.multitask.build import read_model
from models.multitask.record import read_record
from models.trunks.base import TrunkError
from models.trunks.trained import Registry
from pipeline.spec.trunk_lookup import ORIGIN, find_model
from tests.pretrained_files import IMAGE, trained_model


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trained models; the second, `new`, is pushed as version 10, the first as version 9."""
    root = tmp_path_factory.mktemp("store")
    for created, name in enumerate(("old", "new")):
        trained_model(root / "Trainer" / name / "model")
        record = {"created": created, "outputs": {"model": {"digest": f"digest of {name}"}}}
        (root / "Trainer" / name / "artifact.json").write_text(json.dumps(record))
        origin = root / "serving/cats" / str(9 + created) / ORIGIN
        origin.parent.mkdir(parents=True)
        origin.write_text(json.dumps({"digest": f"digest of {name}"}))
    return root


def test_a_model_is_found_by_directory_store_or_pushed_version(store: Path) -> None:
    old, new = (store / "Trainer" / n / "model" for n in ("old", "new"))
    assert find_model(str(old)) == old
    assert find_model(str(store)) == new
    assert find_model(str(store / "serving/cats")) == new
    assert find_model(str(store / "serving/cats/9")) == old


def test_a_pushed_version_away_from_its_store(store: Path, tmp_path: Path) -> None:
    pushed = tmp_path / "9"
    shutil.copytree(store / "serving/cats/9", pushed)
    assert find_model(str(pushed), str(store)) == store / "Trainer/old/model"
    with pytest.raises(TrunkError, match="under `store`"):
        find_model(str(pushed))
    with pytest.raises(TrunkError, match="is not a trained model"):
        find_model(str(tmp_path / "nothing"))
    (tmp_path / "empty/Trainer").mkdir(parents=True)
    with pytest.raises(TrunkError, match="no model has been trained"):
        find_model(str(tmp_path / "empty"))


def test_it_starts_from_the_trained_weights(store: Path) -> None:
    directory = store / "Trainer/old/model"
    model = read_model(directory, read_record(directory))
    renamed = ImageFeature(name="picture", column="q", height=12, width=10, channels=3)
    trunk = Registry(model=str(directory)).build((renamed,))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 12, 10, 3), dtype=np.uint8)
    np.testing.assert_allclose(
        trunk({"picture": pixels}), model.trunk({"photo": pixels}), atol=1e-6
    )


def test_inputs_prepared_otherwise_are_refused(store: Path) -> None:
    other = ImageFeature(name="photo", column="p", height=9, width=9, channels=3)
    trunk = Registry(model=str(store / "Trainer/new/model"))
    with pytest.raises(TrunkError, match="no input is prepared in the same way"):
        trunk.build((other,))
    assert isinstance(trunk.reading(), AsTrained)
    images = tuple(ImageInput(name=n, column=n, height=1, width=1) for n in "ab")
    assert trunk.check(images[:1]) == []
    assert "Not read: inputs.b" in trunk.check(images)[0]


def test_what_it_is_made_of_counts_as_its_code(store: Path) -> None:
    (record,) = Registry(model=str(store / "Trainer/new/model")).made_of()
    assert record == read_record(store / "Trainer/new/model")


def test_features_are_found_by_name_then_by_kind() -> None:
    size = NumericFeature(name="size", column="s", mean=1, deviation=2)
    age = NumericFeature(name="age", column="a", mean=3, deviation=4)
    words = TextFeature(name="words", column="w", length=3, vocabulary=("a",))
    inputs = (
        TextInput(name="subject", column="t"),
        NumericInput(name="age", column="years"),
        NumericInput(name="weight", column="kg"),
    )
    subject, years, weight = as_trained(inputs, (size, age, words))
    assert (subject.name, subject.column, subject.kind) == ("subject", "t", "text")
    assert isinstance(years, NumericFeature)
    assert (years.mean, years.column) == (3, "years")
    assert isinstance(weight, NumericFeature)
    assert weight.mean == 1
    colour = CategoricalFeature(name="colour", column="c", vocabulary=())
    with pytest.raises(ValueError, match="Without an input: colour"):
        as_trained(inputs, (size, age, words, colour))
    assert IMAGE not in (subject, years)


def test_a_pushed_model_with_another_export_is_found(store: Path) -> None:
    """The Exporter's artifact can also rebuild the Keras model."""
    trained_model(store / "Exporter/small/model")
    record = {"created": 5, "outputs": {"model": {"digest": "digest of small"}}}
    (store / "Exporter/small/artifact.json").write_text(json.dumps(record))
    origin = store / "serving/cats/11" / ORIGIN
    origin.parent.mkdir(parents=True)
    origin.write_text(json.dumps({"digest": "digest of small"}))
    assert find_model(str(store / "serving/cats/11")) == store / "Exporter/small/model"
    assert find_model(str(store)) == store / "Trainer/new/model"
    shutil.rmtree(store / "serving/cats/11")
