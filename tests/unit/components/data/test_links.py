"""A file of one artifact in another one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.data.links import link_or_copy


def test_it_is_a_second_name_for_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    link_or_copy(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "b").samefile(tmp_path / "a")


def test_it_is_a_copy_where_there_are_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, target: str) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_bytes(b"content")
    link_or_copy(str(tmp_path / "a"), str(tmp_path / "b"))
    assert not (tmp_path / "b").samefile(tmp_path / "a")
    assert (tmp_path / "b").read_bytes() == b"content"
