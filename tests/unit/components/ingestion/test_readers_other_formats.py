from __future__ import annotations

import datetime
import decimal
import io
import sqlite3
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.feather as feather
import pytest
from PIL import Image

from components.errors import RootstockError
from components.ingestion.readers import arrow_ipc, image_manifest
from components.ingestion.readers.arrow_ipc import ArrowReader
from components.ingestion.readers.avro import AvroReader
from components.ingestion.readers.image_manifest import ImageManifestReader
from components.ingestion.readers.sql import SqlReader
from components.ingestion.readers.text_folder import TextFolderReader
from tests.unit.components.ingestion.readers.reading import read


def test_arrow_files_and_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"id": pa.array(range(50), pa.int8()), "word": pa.array(["w"] * 50)})
    feather.write_feather(table, tmp_path / "a.feather", chunksize=10)
    with pa.ipc.new_stream(tmp_path / "b.arrow", table.schema) as stream:
        stream.write_table(table, max_chunksize=10)
    source = ArrowReader(path=str(tmp_path))
    monkeypatch.setattr(arrow_ipc, "UNIT_BYTES", 300)
    assert [u.files for u in source.units(tmp_path)][-1] == ("b.arrow",)
    assert len(source.units(tmp_path)) > 2
    found, _ = read(source)
    assert found.column("id").to_pylist() == [*range(50), *range(50)]
    assert found.schema.field("id").type == pa.int64()
    (tmp_path / "c.arrow").write_bytes(b"text")
    with pytest.raises(RootstockError, match=r"c\.arrow: is not an Arrow file"):
        source.peek()


def test_avro_types(tmp_path: Path) -> None:
    date = {"type": "int", "logicalType": "date"}
    money = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
    fields = [
        {"name": "id", "type": "long"},
        {"name": "word", "type": ["null", "string"]},
        {"name": "day", "type": date},
        {"name": "price", "type": money},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "never", "type": "null"},
    ]
    schema = {"type": "record", "name": "row", "fields": fields}
    row = {
        "id": 1,
        "word": None,
        "day": datetime.date(2020, 1, 2),
        "price": decimal.Decimal("12.50"),
        "tags": ["a"],
        "never": None,
    }
    file = tmp_path / "a.avro"
    with open(file, "wb") as out:
        fastavro.writer(out, schema, [row] * 3, codec="deflate")
    table, _ = read(AvroReader(path=str(file)))
    assert table.to_pylist() == [{**row, "day": "2020-01-02", "price": 12.5}] * 3
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(RootstockError, match=r"a\.avro: cannot be read after record"):
        read(AvroReader(path=str(file)))
    mapped = {"type": "record", "name": "row", "fields": [{"name": "m", "type": {"type": "map"}}]}
    mapped["fields"][0]["type"]["values"] = "long"  # type: ignore[index]
    with open(file, "wb") as out:
        fastavro.writer(out, mapped, [])
    with pytest.raises(RootstockError, match=r"field 'm' .* which examples cannot store"):
        AvroReader(path=str(file)).peek()


def test_a_manifest_with_broken_images_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (2, 2)).save(out, "PNG")
    (tmp_path / "in").mkdir()
    for i in range(5):
        (tmp_path / "in" / f"{i}.png").write_bytes(out.getvalue())
    (tmp_path / "in" / "3.png").write_bytes(b"")
    rows = "".join(f"in/{i}.png,{i % 2}\n" for i in range(7)) + ",1\nin/1.png\n"
    file = tmp_path / "labels.csv"
    file.write_text("file,even\n" + rows)
    source = ImageManifestReader(path=str(file), column="file")
    monkeypatch.setattr(image_manifest, "UNIT_ROWS", 3)
    table, bad = read(source)
    assert table.column("even").to_pylist() == [0, 1, 0, 0]
    assert table.column("image").to_pylist() == [out.getvalue()] * 4
    assert sorted(str(b) for b in bad) == [
        "None: a row has no image path",
        "in/3.png: is empty. Expected a JPEG, PNG, GIF or BMP image",
        "in/5.png: does not exist",
        "in/6.png: does not exist",
        "labels.csv, line 10: expected 2 columns, found 1",
    ]
    with pytest.raises(RootstockError, match=r"no column 'path'.*columns: file, even"):
        ImageManifestReader(path=str(file)).peek()
    file.write_text("image,even\nin/1.png,1\n")
    table, bad = read(ImageManifestReader(path=str(file), column="image"))
    assert table.to_pylist() == [{"even": 1, "image": out.getvalue()}]
    assert not bad
    file.write_text("image,file\n7,in/1.png\n")
    with pytest.raises(RootstockError, match=r"column 'image' that is not the one with the paths"):
        ImageManifestReader(path=str(file), column="file").peek()


def test_text_that_is_not_in_its_encoding(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.txt").write_bytes("\ufeffGrüße".encode())
    (tmp_path / "a" / "2.txt").write_bytes("Grüße".encode("latin-1"))
    table, bad = read(TextFolderReader(path=str(tmp_path)))
    assert table.to_pylist() == [{"text": "Grüße", "class": "a", "path": "a/1.txt"}]
    assert [str(b) for b in bad] == ["a/2.txt: is not utf-8 text (invalid start byte at byte 2)"]


@pytest.fixture
def shop(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE orders (id INTEGER, price REAL, day DATE)")
        database.execute("INSERT INTO orders VALUES (1, 2.5, '2020-01-02'), (2, NULL, NULL)")
    database.close()
    return f"sqlite:///{tmp_path / 'shop.db'}"


def test_rows_of_a_query(shop: str, tmp_path: Path) -> None:
    source = SqlReader(path=shop, query="SELECT * FROM orders ORDER BY id DESC")
    table, _ = read(source)
    assert table.column("id").to_pylist() == [2, 1]
    assert table.column("price").to_pylist() == [None, 2.5]
    relative = SqlReader(path="sqlite:///shop.db", query="SELECT 1")
    assert relative.with_absolute_path(str(tmp_path)).path == shop
    with pytest.raises(RootstockError, match=r"no such table: absent"):
        SqlReader(path=shop, query="SELECT * FROM absent").peek()


def test_passwords_do_not_appear_in_messages() -> None:
    source = SqlReader(path="nosuch://me:secret@host/shop", query="SELECT 1")
    with pytest.raises(RootstockError, match="driver") as caught:
        source.peek()
    assert "secret" not in str(caught.value)
