"""Copies in a worker: fetched once, deleted when no unit needs them."""

from __future__ import annotations

import fcntl
import hashlib
from pathlib import Path

from components.artifacts import RemoteObject
from components.beam.packing import Content, InInput
from components.beam.unpacking import LOCK, PREFIX, place, remove_left
from models.masked_url import MaskedUrl
from tests.remote import Bucket, bucket

__all__ = ["bucket"]


def reference(bucket: type[Bucket], *names: str) -> InInput:
    """Files with equal content, as one object."""
    sha256 = hashlib.sha256(b"same").hexdigest()
    bucket().pipe_file(f"/b/parts/{sha256}", b"same")
    content = Content(RemoteObject(MaskedUrl("bucket://b"), f"parts/{sha256}", sha256))
    return InInput("/there/examples", ".", tuple((name, content) for name in names), as_text=False)


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


def test_what_killed_workers_left_is_removed(tmp_path: Path) -> None:
    killed, living, starting = (tmp_path / f"{PREFIX}{name}" for name in "abc")
    for directory in (killed, living, starting):
        directory.mkdir()
        (directory / "copy").write_text("x")
    for directory in (killed, living):
        (directory / LOCK).touch()
    with (living / LOCK).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        remove_left(tmp_path)
        assert sorted(tmp_path.iterdir()) == [living, starting]
