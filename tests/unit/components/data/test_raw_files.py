from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from components.data.raw_files import listing
from components.errors import RootstockError


def test_what_a_path_matches(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("in/b.csv", "in/a.csv", "in/deep/c.csv", "in/.hidden", "in/x.txt"):
        (tmp_path / name).touch()
    folder = tmp_path / "in"
    assert listing(folder) == (folder, ["a.csv", "b.csv", "deep/c.csv", "x.txt"])
    assert listing(folder / "*.csv") == (folder, ["a.csv", "b.csv"])
    assert listing(folder / "**" / "*.csv") == (folder, ["a.csv", "b.csv", "deep/c.csv"])
    assert listing(folder / "a.csv") == (folder, ["a.csv"])
    with pytest.raises(RootstockError, match="does not exist"):
        listing(folder / "*.parquet")


def test_links_to_directories_are_followed_unless_they_lead_back(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.csv").touch()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "elsewhere")
    assert listing(tmp_path / "in")[1] == ["link/a.csv"]
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "in")
    with pytest.raises(RootstockError, match=r"back.* is a link to a directory above it"):
        listing(tmp_path / "in")


@pytest.mark.parametrize("where", ["folder", "pattern", "path"])
def test_only_regular_files_are_listed(where: str, tmp_path: Path) -> None:
    kinds = {"pipe": "a named pipe", "socket": "a socket", "gone": "a link to .*nowhere"}
    kinds["dev"] = "a device"
    for kind, problem in kinds.items():
        folder = tmp_path / kind
        folder.mkdir()
        (folder / "a.csv").touch()
        file = folder / kind
        if kind == "pipe":
            os.mkfifo(file)
        elif kind == "socket":
            with socket.socket(socket.AF_UNIX) as opened:
                here = Path.cwd()
                os.chdir(folder)  # the path of a socket must be short
                opened.bind(kind)
                os.chdir(here)
        else:
            file.symlink_to("/dev/zero" if kind == "dev" else "nowhere")
        root = {"folder": folder, "pattern": folder / "*", "path": file}[where]
        with pytest.raises(RootstockError, match=f"{kind}: is {problem}"):
            listing(root)
