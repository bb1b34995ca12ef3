"""Copies of the served versions in an object store."""

import uuid
from pathlib import Path

import pytest

from serving.versions.mirror import main, mirror
from serving.versions.object_store import ObjectStore


@pytest.fixture
def store(saved_model: Path) -> ObjectStore:
    store = ObjectStore(f"memory://{uuid.uuid4().hex}")
    for digest in "abc":
        store.push("m", saved_model, digest)
    store.label("m", "stable", 1)
    return store


def test_served_versions_arrive_and_follow_the_store(store: ObjectStore, tmp_path: Path) -> None:
    place = tmp_path / "m"
    assert mirror(store, "m", place) == ["version 1 has arrived", "version 3 has arrived"]
    assert (place / "1" / "saved_model.pb").read_bytes() == store.fs.cat_file(
        f"{store._root}/m/1/saved_model.pb"
    )
    assert mirror(store, "m", place) == []
    store.label("m", "stable", 2)
    store._remove("m", 1)
    assert mirror(store, "m", place) == ["version 2 has arrived", "version 1 was deleted"]
    assert sorted(p.name for p in place.iterdir() if p.name.isdigit()) == ["2", "3"]


def test_a_damaged_version_does_not_appear(store: ObjectStore, tmp_path: Path) -> None:
    store.fs.pipe_file(f"{store._root}/m/3/saved_model.pb", b"cut")
    with pytest.raises(OSError, match=r"m/3 is damaged: saved_model.pb"):
        mirror(store, "m", tmp_path / "m")
    assert not (tmp_path / "m" / "3").exists()
    url = f"memory:/{store._root}"
    assert main([url, "m", str(tmp_path)]) == main([url, "other", str(tmp_path)]) == 1
