"""A store without renames: a version counts only once its last file is there."""

import uuid
from pathlib import Path

import pytest

from serving.versions.object_store import ObjectStore


def test_a_version_exists_only_with_its_last_file(saved_model: Path) -> None:
    store = ObjectStore(f"memory://{uuid.uuid4().hex}")
    put_file, calls = store.fs.put_file, []

    def put(source: str, target: str) -> None:
        calls.append((Path(source).name, dict(store.history("m"))))
        if len(calls) == 2:
            raise OSError("the network is gone")
        put_file(source, target)

    store.fs.put_file = put
    try:
        with pytest.raises(OSError, match="network"):
            store.push("m", saved_model, "a")
        assert store.history("m") == {}
        calls.append(("", {}))  # so that the next push succeeds
        assert store.push("m", saved_model, "a") == 2
    finally:
        del store.fs.put_file
    assert calls[-1] == ("saved_model.pb", {})


def test_versions_of_other_programs_have_no_origin(saved_model: Path) -> None:
    store = ObjectStore(f"memory://{uuid.uuid4().hex}")
    store.fs.pipe_file(f"{store._root}/m/1700000000/saved_model.pb", b"graph")
    store.fs.pipe_file(f"{store._root}/m/not-a-version/saved_model.pb", b"graph")
    assert store.history("m") == {1700000000: None}
    assert store.push("m", saved_model, "a") == 1700000001
