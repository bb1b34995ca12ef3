"""Which destination a path or URL means."""

from pathlib import Path

import pytest

from serving.versions.destination import destination
from serving.versions.directory import Directory
from serving.versions.object_store import ObjectStore


def test_paths_and_file_urls_are_directories(tmp_path: Path) -> None:
    for url in (str(tmp_path), f"file://{tmp_path}"):
        place = destination(url)
        assert isinstance(place, Directory)
        assert place.location("m", 3) == f"{tmp_path}/m/3"


def test_other_urls_are_object_stores() -> None:
    place = destination("memory://bucket/models/")
    assert isinstance(place, ObjectStore)
    assert place.location("m", 3) == "memory://bucket/models/m/3"


def test_unknown_urls_are_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        destination("nonsense://bucket")
