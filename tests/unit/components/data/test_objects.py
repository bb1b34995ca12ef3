from pathlib import Path

import pytest

from components.data.objects import Objects, in_parallel
from components.errors import RootstockError
from models.masked_url import MaskedUrl
from tests.remote import Bucket, bucket

__all__ = ["bucket"]


def test_objects_are_written_read_and_removed(bucket: type[Bucket], tmp_path: Path) -> None:
    objects = Objects(MaskedUrl("bucket://b/x"))
    assert objects.read("a") is None
    assert objects.create("a", b"1")
    assert not objects.create("a", b"2")
    assert objects.read("a") == b"1"
    objects.write("a", b"3")
    (tmp_path / "file").write_bytes(b"4")
    objects.upload({"b/c": tmp_path / "file", "d": tmp_path / "file"})
    assert sorted(objects.listed()) == ["a", "b/c", "d"]
    assert sorted(objects.listed("*")) == ["a", "d"]
    objects.download({"a": tmp_path / "new" / "a", "d": tmp_path / "d"})
    assert (tmp_path / "new" / "a").read_bytes() == b"3"
    with pytest.raises(FileNotFoundError):
        objects.download({"none": tmp_path / "none"})
    objects.remove("a")
    objects.remove("a")
    assert objects.read("a") is None


def test_a_request_is_repeated_a_bounded_number_of_times(bucket: type[Bucket]) -> None:
    def busy(kind: str, path: str) -> None:
        raise OSError(16, "503 SlowDown for https://u:secret-of-mine@b/x")

    bucket.fault = staticmethod(busy)
    with pytest.raises(RootstockError, match="503 SlowDown") as raised:
        Objects(MaskedUrl("bucket://b/x")).read("a")
    assert len(bucket.requests) == 4  # the first one, and one after each of three waits
    assert "secret-of-mine" not in str(raised.value)


def test_a_full_disk_is_not_a_problem_of_the_store(bucket: type[Bucket]) -> None:
    def full(kind: str, path: str) -> None:
        raise OSError(28, "No space left on device")

    bucket.fault = staticmethod(full)
    with pytest.raises(OSError, match="No space left"):
        Objects(MaskedUrl("bucket://b/x")).read("a")
    assert len(bucket.requests) == 1


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(RootstockError, match=r"s3:// needs the extra `s3`: pip install"):
        Objects(MaskedUrl("s3://b/x")).read("a")


def test_the_first_error_of_several_is_raised() -> None:
    def work(number: int) -> None:
        if number > 1:
            raise ValueError(number)

    with pytest.raises(ValueError, match="2"):
        in_parallel(work, [(1,), (2,), (3,)])
