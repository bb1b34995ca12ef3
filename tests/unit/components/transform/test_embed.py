"""Embed: the representation of every row, in the order of the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.artifacts import Batches, Preprocessing
from components.data.digests import digest_tree
from components.errors import RootstockError
from components.stage import Context
from components.transform import embed
from components.transform.batches import (
    load_columns,
    stored_blocks,
    stored_representation,
    write_shard,
)
from components.transform.embed import Embed, EmbedInputs
from components.transform.preprocessing_file import save_preprocessing
from models.inputs.base import Feature
from models.inputs.image import ImageFeature
from models.inputs.raw_text import RawTextFeature
from models.inputs.representation import REPRESENTATION
from models.inputs.sources.pretrained_tokens import tokens_feature
from models.lazy import keras, tf
from models.trunks.applications import Applications
from models.trunks.base import Trunk
from models.trunks.blocks import Blocks
from models.trunks.keras_hub import KerasHub
from models.trunks.tf_hub import TfHub
from tests.pretrained_files import TEXTS, text_module, text_preset

Make = Callable[[str], Context]
SHARDS = {"train": (7, 5), "val": (3,), "test": (2,)}


def tokens(rows: int, seed: int) -> np.ndarray:
    """Texts of 1 to 16 tokens, in two windows of 8."""
    rng = np.random.default_rng(seed)
    found = rng.integers(5, 17, (rows, 16)).astype(np.int32)
    found[np.arange(16) >= rng.integers(1, 17, (rows, 1))] = 0
    return found.reshape(rows, 2, 8)


def strings(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array([t.encode() for t in TEXTS], object), rows)


def written(
    directory: Path, feature: Feature, values: Callable[[int, int], np.ndarray]
) -> EmbedInputs:
    (directory / "preprocessing").mkdir(parents=True)
    save_preprocessing((feature,), directory / "preprocessing")
    for split, sizes in SHARDS.items():
        (directory / "batches" / split).mkdir(parents=True)
        for i, rows in enumerate(sizes):
            file = directory / "batches" / split / f"part-{i:05d}.arrow"
            write_shard(file, {feature.name: values(rows, i)}, (feature,))
    return EmbedInputs(
        Preprocessing(directory / "preprocessing", "digest"),
        Batches(directory / "batches", "digest"),
    )


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trunk, EmbedInputs, Feature]:
    files = tmp_path_factory.mktemp("text")
    text_preset(files / "preset")
    trunk = KerasHub(preset=str(files / "preset"), length=8, windows=2)
    feature = tokens_feature(trunk.reading(), "words", "t")
    return trunk, written(files, feature, tokens), feature


def expected(trunk: Trunk, inputs: EmbedInputs, feature: Feature, split: str) -> np.ndarray:
    columns = load_columns(inputs.batches, split, (feature,))
    given = {
        n: tf.constant(v, tf.string if v.dtype.hasobject else v.dtype) for n, v in columns.items()
    }
    return np.asarray(trunk.build((feature,))(given, training=False))


@pytest.mark.slow
def test_rows_keep_their_order(
    text: tuple[Trunk, EmbedInputs, Feature], new_context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "UNIT_ROWS", 4)
    monkeypatch.setattr(embed, "BATCH_ROWS", 2)
    trunk, inputs, feature = text
    context = new_context("e")
    found = Embed(trunk=trunk).run(inputs, context).embeddings
    stored = stored_representation(found)
    for split in ("train", "val"):
        values = load_columns(found, split, (stored,))[REPRESENTATION]
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected(trunk, inputs, feature, split), atol=1e-5)
    assert load_columns(found, "test", (stored,))[REPRESENTATION].shape == (0, stored.width)
    assert context.observer.figures == {"rows": 15, "width": 8}  # type: ignore[attr-defined]
    assert context.observer.seen[-1] == (15, 15, "rows")  # type: ignore[attr-defined]


def test_batches_hold_few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "BATCH_ROWS", 3)
    monkeypatch.setattr(embed, "BATCH_TOKENS", 20)
    counts = np.array([9, 1, 30, 2, 3, 8, 25])
    parts = embed._batches(np.argsort(counts), counts)
    assert [counts[p].tolist() for p in parts] == [[1, 2, 3], [8, 9], [25], [30]]


def test_texts_as_they_are(tmp_path: Path, new_context: Make) -> None:
    text_module(tmp_path / "module")
    trunk = TfHub(handle=str(tmp_path / "module"), hyperparameters={})
    feature = RawTextFeature(name="words", column="t")
    inputs = written(tmp_path, feature, strings)
    found = Embed(trunk=trunk).run(inputs, new_context("e")).embeddings
    values = load_columns(found, "train", (stored_representation(found),))[REPRESENTATION]
    np.testing.assert_allclose(values, expected(trunk, inputs, feature, "train"), atol=1e-5)


@pytest.mark.slow
def test_blocks_of_images_are_stored_beside_the_representation(
    tmp_path: Path, new_context: Make
) -> None:
    trunk = Applications(model="MobileNet", alpha=0.25, pretrained=False, side=32)
    feature = ImageFeature(name="photo", column="p", height=8, width=6, channels=3)

    def photos(rows: int, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (rows, 8, 6, 3), np.uint8)

    inputs = written(tmp_path, feature, photos)
    context = new_context("e")
    found = Embed(trunk=trunk, blocks=True).run(inputs, context).embeddings
    plain = Embed(trunk=trunk).run(inputs, new_context("p")).embeddings
    assert stored_blocks(plain) is None
    column, blocks = stored_representation(found), stored_blocks(found)
    assert blocks is not None and blocks.width > 2 * column.width
    assert context.observer.figures["width of all blocks"] == blocks.width  # type: ignore[attr-defined]
    one, other = (load_columns(e, "train", (column,))[REPRESENTATION] for e in (found, plain))
    np.testing.assert_allclose(one, other, atol=1e-5)
    rows = {"photo": tf.constant(np.concatenate([photos(7, 0), photos(5, 1)]))}
    keras.utils.set_random_seed(0)
    expected = Blocks(trunk.build((feature,)), (feature,))(rows)[1]
    stored = load_columns(found, "train", (blocks,))[blocks.name]
    np.testing.assert_allclose(stored, expected, atol=1e-4)


@pytest.mark.slow
def test_same_bytes_every_time_and_after_a_crash(
    text: tuple[Trunk, EmbedInputs, Feature], new_context: Make
) -> None:
    trunk, inputs, _ = text
    stage = Embed(trunk=trunk)
    first, again, after_a_crash = (
        stage.run(inputs, new_context(name)).embeddings for name in ("a", "b", "a")
    )
    for other in (again, after_a_crash):
        assert digest_tree(first.path) == digest_tree(other.path)


def test_a_trunk_that_cannot_be_built_is_explained(
    text: tuple[Trunk, EmbedInputs, Feature], tmp_path: Path, new_context: Make
) -> None:
    trunk, inputs, _ = text
    missing = replace(trunk, preset=str(tmp_path / "none"))  # type: ignore[call-arg]
    with pytest.raises(RootstockError, match=r"^model\.trunk: preset .*no such directory"):
        Embed(trunk=missing).run(inputs, new_context("e"))
