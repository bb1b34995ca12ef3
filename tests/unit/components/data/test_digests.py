import os
import time
from pathlib import Path

import pytest

from components.data import digests
from components.data.digests import digest_source, digest_tree
from components.errors import RootstockError


def make_tree(root: Path) -> Path:
    (root / "b").mkdir(parents=True)
    (root / "a.txt").write_text("1")
    (root / "b" / "c.txt").write_text("2")
    return root


def test_the_digest_of_a_tree_depends_on_names_and_bytes(tmp_path: Path) -> None:
    one, two = make_tree(tmp_path / "one"), make_tree(tmp_path / "two")
    assert digest_tree(one) == digest_tree(two)
    (two / "b" / "c.txt").rename(two / "b" / "d.txt")
    assert digest_tree(one) != digest_tree(two)


def test_the_digest_of_a_source_does_not_depend_on_its_path(tmp_path: Path) -> None:
    index = tmp_path / "index"
    one, two = make_tree(tmp_path / "one"), make_tree(tmp_path / "two")
    assert digest_source(str(one), index) == digest_source(str(two), index)
    assert digest_source(str(one / "*.txt"), index) != digest_source(str(one), index)
    (tmp_path / "x.csv").write_text("1")
    assert digest_source(str(tmp_path / "x.csv"), index) == digest_source(str(one / "a.txt"), index)


def test_unchanged_files_are_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, index = make_tree(tmp_path / "data"), tmp_path / "index"
    monkeypatch.setattr(digests, "RACY_NS", -1)
    before = digest_source(str(root), index)
    read: list[Path] = []
    original = digests.digest_file
    monkeypatch.setattr(digests, "digest_file", lambda p: (read.append(p), original(p))[1])
    assert digest_source(str(root), index) == before
    assert read == []
    (root / "a.txt").write_text("changed")
    assert digest_source(str(root), index) != before
    assert read == [root / "a.txt"]


def test_a_file_changed_within_a_clock_tick_is_read_again(tmp_path: Path) -> None:
    file, index = tmp_path / "x.csv", tmp_path / "index"
    file.write_text("aaa")
    stamp = time.time_ns()
    os.utime(file, ns=(stamp, stamp))
    before = digest_source(str(file), index)
    file.write_text("bbb")
    os.utime(file, ns=(stamp, stamp))
    assert digest_source(str(file), index) != before


def test_a_missing_source_is_reported(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RootstockError, match="has no files"):
        digest_source(str(tmp_path / "empty"), tmp_path / "index")
    with pytest.raises(RootstockError, match="does not exist"):
        digest_source(str(tmp_path / "nowhere"), tmp_path / "index")
