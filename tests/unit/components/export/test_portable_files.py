"""What `portable.json` says. The files themselves are tested with the PortableValidator."""

import pyarrow as pa
import pyarrow.parquet as pq

from components.artifacts import Examples
from components.export.portable_files import _training_rows, tensor_names
from models.inputs.categorical import CategoricalFeature
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.inputs.text import TextFeature


def test_names_that_a_runtime_refuses_become_others() -> None:
    assert tensor_names(["a.b", "größe", "input_1"], "input") == {
        "a.b": "a.b",
        "größe": "input_1_",
        "input_1": "input_1",
    }


def test_training_rows_are_spread_over_all_shards(tmp_path) -> None:
    (tmp_path / "train").mkdir()
    for shard in range(3):
        rows = [float(300 * shard + i) for i in range(300)]
        pq.write_table(pa.table({"x": rows}), tmp_path / "train" / f"{shard}.parquet")
    feature = NumericFeature(name="size", column="x", mean=0.0, deviation=1.0)
    rows = _training_rows(Examples(tmp_path), (feature,))["x"].to_pylist()
    assert rows == [float(i) for i in range(0, 900, 5)]


def test_every_kind_says_how_it_is_prepared() -> None:
    image = ImageFeature(name="photo", column="photo", height=4, width=5, channels=1)
    text = TextFeature(name="note", column="note", length=7, vocabulary=("good", "bad"))
    date = CategoricalFeature(name="day", column="day", part="weekday")
    assert "grey" in image.preparation and "4 x 5" in image.preparation
    assert "cut or padded with 0 to 7" in text.preparation and text.words == ("good", "bad")
    assert "Monday is 0" in date.preparation and date.words == ()
