from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.artifacts import Batches
from components.transform.batches import ShardedRows, load_columns, open_columns, write_shard
from models.inputs.categorical import CategoricalFeature
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.inputs.text import TextFeature

FEATURES = (
    ImageFeature(name="p", column="p", height=2, width=3, channels=1),
    TextFeature(name="t", column="t", length=1, vocabulary=()),
    NumericFeature(name="n", column="n", mean=0.0, deviation=1.0),
    CategoricalFeature(name="c", column="c", vocabulary=()),
)


def columns(rows: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "p": rng.integers(0, 256, (rows, 2, 3, 1)).astype(np.uint8),
        "t": rng.integers(0, 9, (rows, 1)).astype(np.int32),
        "n": rng.normal(size=rows).astype(np.float32),
        "c": rng.integers(0, 9, rows).astype(np.int32),
    }


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    for split, shards in {"train": (5, 3), "val": (4,)}.items():
        (tmp_path / split).mkdir()
        for i, rows in enumerate(shards):
            write_shard(tmp_path / split / f"part-{i:05d}.arrow", columns(rows, i), FEATURES)
    return Batches(tmp_path, "digest")


def test_one_shard_is_read_without_a_copy(batches: Batches) -> None:
    found = load_columns(batches, "val", FEATURES)
    for name, values in columns(4, 0).items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)
        assert not found[name].flags.owndata
        assert not found[name].flags.writeable


def test_shards_follow_each_other(batches: Batches) -> None:
    found = load_columns(batches, "train", FEATURES)
    first, second = columns(5, 0), columns(3, 1)
    for name in found:
        np.testing.assert_array_equal(found[name], np.concatenate([first[name], second[name]]))


def test_shards_of_much_data_stay_apart(batches: Batches) -> None:
    joined = load_columns(batches, "train", FEATURES)
    rows = np.array([7, 0, 4, 5, 5, 2])
    for most in (10, 1 << 20):
        found = open_columns(batches, "train", FEATURES, most)
        for name, values in found.items():
            assert isinstance(values, ShardedRows) == (most == 10)
            assert (len(values), values.shape) == (8, joined[name].shape)
            assert (values.dtype, values.nbytes) == (joined[name].dtype, joined[name].nbytes)
            np.testing.assert_array_equal(values[rows], joined[name][rows])
            np.testing.assert_array_equal(values[3:6], joined[name][3:6])


def test_a_split_without_rows_has_empty_columns(batches: Batches) -> None:
    found = load_columns(batches, "test", FEATURES)
    assert found["p"].shape == (0, 2, 3, 1)
    assert found["n"].dtype == np.float32
