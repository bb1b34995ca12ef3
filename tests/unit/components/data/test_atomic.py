from __future__ import annotations

from pathlib import Path

import pytest

from components.data.atomic import replacing, write_whole


def test_text_and_bytes_replace_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_whole(file, "Größe\n")
    assert file.read_bytes() == "Größe\n".encode()
    write_whole(file, b"\x00\r\n")
    assert file.read_bytes() == b"\x00\r\n"
    assert list(tmp_path.iterdir()) == [file]


def test_a_directory_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "directory"
    with replacing(target) as new:
        new.mkdir()
        (new / "file").touch()
        assert not target.exists()
    assert [p.name for p in target.iterdir()] == ["file"]
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(OSError, match="no space"), replacing(target) as new:
        new.write_text("half")
        raise OSError("no space")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
