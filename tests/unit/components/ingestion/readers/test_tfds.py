"""Compared with files that TensorFlow Datasets writes and reads."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from components.errors import RootstockError
from components.ingestion.readers.base import BadRecord
from components.ingestion.readers.tfds import TfdsReader

pytestmark = pytest.mark.slow

BUILDER = """
import numpy as np, sys
import tensorflow_datasets as tfds

class Pets(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.2.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict({
                "image": tfds.features.Image(shape=(4, 4, 3), encoding_format="png"),
                "label": tfds.features.ClassLabel(names=["cat", "dog"]),
                "seen": tfds.features.Sequence(tfds.features.ClassLabel(names=["bowl", "toy"])),
                "inner": {"kind": tfds.features.ClassLabel(names=["x", "y"])},
                "text": tfds.features.Text(),
                "weight": np.float32,
                "chipped": np.bool_,
            })
        )

    def _split_generators(self, manager):
        return {"train": self._generate_examples(20), "test": self._generate_examples(5)}

    def _generate_examples(self, rows):
        for i in range(rows):
            yield i, {
                "image": np.full((4, 4, 3), i, np.uint8), "label": i % 2 if i else -1,
                "seen": ["bowl", "toy"][: i % 3], "inner": {"kind": i % 2}, "text": f"pet {i}",
                "weight": i / 2, "chipped": i % 2 == 0,
            }

Pets(data_dir=sys.argv[1], file_format="tfrecord").download_and_prepare()
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a `data` directory with the data set `pets`."""
    root = tmp_path_factory.mktemp("tfds")
    subprocess.run([sys.executable, "-c", BUILDER, str(root / "data")], check=True, cwd=root)
    return root


def rows(reader: TfdsReader) -> list[dict[str, object]]:
    root = Path(reader.path)
    schema = reader.schema(root)
    found = [b for unit in reader.units(root) for b in reader.read(unit, schema)]
    assert not any(isinstance(b, BadRecord) for b in found)
    return sorted(
        pa.Table.from_batches(found, schema).to_pylist(), key=lambda r: int(r["text"].split()[1])
    )


def test_by_name(prepared: Path) -> None:
    reader = TfdsReader(path="pets", data_dir="data").with_absolute_path(str(prepared))
    found = rows(reader)
    assert len(found) == 20
    assert [r["label"] for r in found[:3]] == [None, "dog", "cat"]
    assert [r["seen"] or [] for r in found[:3]] == [[], ["bowl"], ["bowl", "toy"]]
    assert found[3]["inner/kind"] == "y"
    assert found[3]["weight"] == 1.5
    assert [r["chipped"] for r in found[:2]] == [1, 0]
    image = Image.open(io.BytesIO(found[7]["image"]))
    assert np.array_equal(np.asarray(image), np.full((4, 4, 3), 7, np.uint8))


def test_part_version_and_directory(prepared: Path, tmp_path: Path) -> None:
    directory = prepared / "data" / "pets" / "1.2.0"
    by_version = TfdsReader(path="pets:1.2.0", part="test", data_dir="data").with_absolute_path(
        str(prepared)
    )
    by_directory = TfdsReader(path="data/pets/1.2.0", part="test").with_absolute_path(str(prepared))
    assert by_directory.path == str(directory)
    assert rows(by_version) == rows(by_directory)
    assert len(rows(by_version)) == 5
    assert by_version.digest(tmp_path / "a") == by_directory.digest(tmp_path / "b")


def test_missing_parts_of_a_data_set_are_named(prepared: Path) -> None:
    with pytest.raises(RootstockError, match=r"split 'val'.*pets-test.*pets-train"):
        TfdsReader(path="pets", part="val", data_dir="data").with_absolute_path(
            str(prepared)
        ).peek()
    with pytest.raises(RootstockError, match="no prepared data set"):
        TfdsReader(path=str(prepared)).with_absolute_path("/").peek()


def test_an_unknown_data_set_is_explained(prepared: Path) -> None:
    reader = TfdsReader(path="mnist:3.0.1", data_dir="data").with_absolute_path(str(prepared))
    with pytest.raises(RootstockError, match=r"tfds build mnist:3.0.1 --data_dir .*/data --file"):
        reader.peek()
