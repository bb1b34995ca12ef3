"""Copies in a worker: fetched once, deleted when no unit needs them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from components.artifacts import RemoteObject
from components.beam.packing import InInput
from components.beam.unpacking import place
from models.masked_url import MaskedUrl
from tests.remote import Bucket, bucket

__all__ = ["bucket"]


def reference(bucket: type[Bucket], *names: str) -> InInput:
    """Files with equal content, as one object."""
    sha256 = hashlib.sha256(b"same").hexdigest()
    bucket().pipe_file(f"/b/parts/{sha256}", b"same")
    remote = RemoteObject(MaskedUrl("bucket://b"), f"parts/{sha256}", sha256)
    return InInput("/there/examples", ".", tuple((name, remote) for name in names), as_text=False)


def test_equal_files_are_fetched_once_and_deleted_at_the_end(bucket: type[Bucket]) -> None:
    wanted = reference(bucket, "train/a", "val/b")
    bucket.requests.clear()
    with place() as first:
        directory = Path(first.path(wanted))
        with place() as second:
            assert second.path(wanted) == directory
        names = sorted(p.relative_to(directory).as_posix() for p in directory.rglob("*"))
        assert names == ["train", "train/a", "val", "val/b"]
        assert first.named_as_there(f"{directory}/val/b: bad") == "/there/examples/val/b: bad"
    assert [kind for kind, _ in bucket.requests] == ["get"]
    assert not directory.exists()


def test_what_other_units_need_is_kept(bucket: type[Bucket]) -> None:
    wanted = reference(bucket, "a")
    with place(frozenset({wanted.key})) as first:
        directory = Path(first.path(wanted))
    bucket.requests.clear()
    with place() as last:
        assert last.path(wanted) == directory
    assert bucket.requests == []
