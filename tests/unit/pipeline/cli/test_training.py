"""What the commands that train name in their JSON."""

from __future__ import annotations

from pathlib import Path

from pipeline.cli.training import _of_directory


def test_a_report_is_named_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    files = [tmp_path / name for name in ("a.html", "b.json")]
    for file in reversed(files):
        file.touch()
    assert _of_directory(tmp_path) == {"directory": tmp_path, "files": files}
    assert _of_directory(None) == {"directory": None, "files": []}
