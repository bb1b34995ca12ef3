from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from components.errors import RootstockError
from components.ingestion.readers import files
from components.ingestion.readers.base import BadRecord
from components.ingestion.readers.image_folder import ImageFolderReader
from components.ingestion.readers.images import image_problem


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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
def test_supported_image_formats(kind: str) -> None:
    assert image_problem(encoded(kind)) == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello", "is not an image; expected JPEG, PNG, GIF or BMP"),
        (encoded("WEBP"), "is WEBP; expected JPEG, PNG, GIF or BMP"),
        (encoded("JPEG", (64, 64))[:-40], "cannot be decoded: image file is truncated"),
        (encoded("PNG")[:-30], "cannot be decoded"),
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
