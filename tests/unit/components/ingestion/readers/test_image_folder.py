from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from components.errors import RootstockError
from components.ingestion.readers import files
from components.ingestion.readers.base import BadRecord, Reader
from components.ingestion.readers.image_folder import ImageFolderReader
from components.ingestion.readers.image_manifest import ImageManifestReader


def encoded(kind: str = "PNG", size: tuple[int, int] = (4, 3)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (10, 200, 30)).save(out, kind)
    return out.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("cat/b.png", "cat/a.png", "dog/deep/c.png"):
        file = tmp_path / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded())
    return tmp_path / "images"


def test_class_is_the_folder_and_path_is_relative(root: Path) -> None:
    (root / "cat" / ".DS_Store").write_bytes(b"x")
    (root / "README.txt").write_text("not a class")
    reader = ImageFolderReader(path=str(root))
    [unit] = reader.units(root)
    [batch] = reader.read(unit, reader.schema(root))
    assert not isinstance(batch, BadRecord)
    assert batch.column("path").to_pylist() == ["cat/a.png", "cat/b.png", "dog/deep/c.png"]
    assert batch.column("class").to_pylist() == ["cat", "cat", "dog"]
    assert batch.column("image")[0].as_py() == encoded()


def test_units_are_bounded_in_files_and_bytes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = ImageFolderReader(path=str(root))
    monkeypatch.setattr(files, "UNIT_FILES", 2)
    assert [len(u.files) for u in reader.units(root)] == [2, 1]
    monkeypatch.setattr(files, "UNIT_BYTES", 1)
    assert [len(u.files) for u in reader.units(root)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty. Expected a JPEG, PNG, GIF or BMP image"),
        (b"hello", "is not a JPEG, PNG, GIF or BMP image"),
        (encoded("WEBP"), "is not a JPEG, PNG, GIF or BMP image (WebP and others are not read)"),
        (encoded("BMP")[:-40], "has a header that is cut or damaged"),
    ],
)
def test_broken_images_are_bad_records(root: Path, content: bytes, reason: str) -> None:
    (root / "cat" / "b.png").write_bytes(content)
    reader = ImageFolderReader(path=str(root))
    items = list(reader.read(reader.units(root)[0], reader.schema(root)))
    [bad] = [i for i in items if isinstance(i, BadRecord)]
    assert (bad.file, bad.position) == ("cat/b.png", 0)
    assert bad.reason.startswith(reason)
    assert sum(i.num_rows for i in items if not isinstance(i, BadRecord)) == 2


def test_wrong_folder_layouts_are_explained(root: Path, tmp_path: Path) -> None:
    (root / "horse").mkdir()
    with pytest.raises(RootstockError, match=r"horse: has no images"):
        ImageFolderReader(path=str(root)).peek()
    (tmp_path / "empty").mkdir()
    with pytest.raises(RootstockError, match=r"empty: has no folders"):
        ImageFolderReader(path=str(tmp_path / "empty")).peek()
    with pytest.raises(RootstockError, match=r"README: is a file"):
        (tmp_path / "README").write_text("")
        ImageFolderReader(path=str(tmp_path / "README")).peek()


def test_peek_shows_every_class_of_many(root: Path) -> None:
    for i in range(300):
        (root / "dog" / f"{i}.png").write_bytes(encoded())
    seen = ImageFolderReader(path=str(root)).peek()
    assert set(seen.column("class").to_pylist()) == {"cat", "dog"}
    assert seen.num_rows < 200


def paths(reader: Reader) -> list[str]:
    """The paths that a reader of new rows yields, which have no class."""
    root = Path(reader.path)
    assert reader.schema(root).names == ["image", "path"]
    batches = [b for unit in reader.units(root) for b in reader.read(unit, reader.schema(root))]
    good = [b for b in batches if not isinstance(b, BadRecord)]
    assert all(image == encoded() for b in good for image in b.column("image").to_pylist())
    assert reader.peek().num_rows == sum(b.num_rows for b in good)
    return [path for b in good for path in b.column("path").to_pylist()]


@pytest.mark.parametrize("reader", [ImageFolderReader, ImageManifestReader])
def test_new_images_need_no_folder_for_a_class(root: Path, reader: type[Reader]) -> None:
    source = reader(path=str(root), split="train")
    flat = root.parent / "new"
    shutil.copytree(root / "cat", flat)
    assert paths(source.for_new_rows(str(flat))) == ["a.png", "b.png"]
    assert paths(source.for_new_rows(str(flat / "a.png"))) == ["a.png"]
    assert source.for_new_rows(str(flat)).split is None


def test_new_images_of_a_pattern(root: Path) -> None:
    source = ImageFolderReader(path=str(root))
    assert paths(source.for_new_rows(str(root / "cat" / "b*.png"))) == ["b.png"]


def test_new_images_by_class_have_one(root: Path) -> None:
    assert "class" in ImageFolderReader(path=str(root)).for_new_rows(str(root)).peek().column_names


def test_a_new_manifest_is_a_manifest(root: Path) -> None:
    (root / "new.csv").write_text("path,age\ncat/a.png,3\n")
    source = ImageManifestReader(path=str(root / "old.csv"))
    assert source.for_new_rows(str(root / "new.csv")).peek().column_names == [
        "path",
        "age",
        "image",
    ]
