"""Rows as people see them: pictures in the page itself, shortened texts, missing values."""

import base64
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from components.artifacts import Examples
from components.data.thumbnails import SIDE
from models.inputs.categorical import CategoricalInput
from models.inputs.image import ImageInput
from models.inputs.numeric import NumericInput
from models.inputs.text import TextInput
from pipeline.run_page.rows import MOST_CHARACTERS, shown

INPUTS = (
    ImageInput(name="photo", column="photo", height=8, width=8),
    TextInput(name="said", column="said"),
    NumericInput(name="age", column="age"),
    CategoricalInput(name="job", column="job"),
)


def png(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (side, side)).save(file, "PNG")
    return file.getvalue()


def test_rows_are_found_across_shards(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    for shard, (photo, said, age) in enumerate(
        [(png(8), "a" * 999, 1.5), (b"no picture", None, None), (png(500), "<b>", 1 / 3)]
    ):
        columns = {"photo": [photo] * 2, "said": [said] * 2, "age": [age] * 2, "job": ["cook"] * 2}
        schema = pa.schema(
            {"photo": pa.binary(), "said": pa.string(), "age": pa.float64(), "job": pa.string()}
        )
        file = tmp_path / "test" / f"part-{shard:05}.parquet"
        pq.write_table(pa.table(columns, schema=schema), file)
    found = shown(Examples(tmp_path), "test", [5, 0, 2], INPUTS)
    assert sorted(found) == [0, 2, 5]
    assert found[0].texts == ("a" * MOST_CHARACTERS + "…",)
    assert found[2].pictures[0].src == ""
    assert "is not a JPEG" in found[2].pictures[0].alt
    assert found[2].values == (("age", "missing"), ("job", "cook"))
    assert dict(found[5].values)["age"] == "0.333333"
    sizes = []
    for number in (0, 5):
        form, _, data = found[number].pictures[0].src.partition(";base64,")
        assert form in ("data:image/png", "data:image/jpeg")
        sizes.append(Image.open(io.BytesIO(base64.b64decode(data))).size)
    assert sizes == [(8, 8), (SIDE, SIDE)]
