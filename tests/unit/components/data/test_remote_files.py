from pathlib import Path

import pytest

from components.artifacts import SourceFiles
from components.data.digests import RawFiles
from components.data.remote_files import INDEX, RemoteFiles
from components.errors import RootstockError
from components.ingestion.readers.delimited import CsvReader
from components.ingestion.readers.image_manifest import ImageManifestReader
from components.ingestion.readers.spans import resolved
from models.masked_url import MaskedUrl
from tests.remote import Bucket, bucket

__all__ = ["bucket"]
FILES = {"raw/a.csv": "id\n1\n", "raw/b.csv": "id\n2\n", "raw/more/c.csv": "id\n3\n"}


@pytest.fixture
def both(bucket: type[Bucket], tmp_path: Path) -> Path:
    """The same files in the bucket and on disk."""
    for name, text in FILES.items():
        bucket().pipe_file(f"/b/{name}", text.encode())
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    bucket.requests.clear()
    return tmp_path


@pytest.mark.parametrize("path", ["raw", "raw/a.csv", "raw/*.csv", "raw/**/*.csv"])
def test_digests_and_rows_are_those_of_local_files(
    both: Path, bucket: type[Bucket], path: str, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    remote = CsvReader(path=MaskedUrl(f"bucket://b/{path}")).with_absolute_path("/elsewhere")
    here = CsvReader(path=MaskedUrl(str(both / path)))
    source = SourceFiles.of(remote, index)
    assert source.digest == RawFiles(str(both / path)).digest(None)
    assert source.digest == remote.digest(None)
    assert remote.peek().equals(here.peek())
    assert [u.files for u in remote.units(source.path)] == [
        u.files for u in here.units(both / path)
    ]


def test_objects_that_have_not_changed_are_listed_and_not_read(
    both: Path, bucket: type[Bucket], tmp_path: Path
) -> None:
    files = RemoteFiles(MaskedUrl("bucket://b/raw"))
    first = files.digest(tmp_path)
    bucket.requests.clear()
    assert files.digest(tmp_path) == first
    assert [kind for kind, _ in bucket.requests] == ["list"]
    bucket().pipe_file("/b/raw/a.csv", b"id\n9\n")
    bucket.requests.clear()
    assert files.digest(tmp_path) != first
    assert [path for kind, path in bucket.requests if kind == "get"] == ["/b/raw/a.csv"]
    bucket().rm_file("/b/raw/b.csv")
    assert files.digest(tmp_path) == RawFiles(str(files.copy)).digest(None)
    assert sorted(p.name for p in files.copy.rglob("*.csv")) == ["a.csv", "c.csv"]


def test_lost_copies_are_made_again_when_they_are_read(
    both: Path, bucket: type[Bucket], tmp_path: Path
) -> None:
    reader = CsvReader(path=MaskedUrl("bucket://b/raw"))
    reader.digest(tmp_path)
    (reader.copy / "a.csv").unlink()
    assert (SourceFiles.of(reader, tmp_path).path / "a.csv").read_text() == FILES["raw/a.csv"]


def test_an_object_that_is_replaced_while_it_is_read_is_read_again(
    both: Path, bucket: type[Bucket], tmp_path: Path
) -> None:
    times = 1

    def replace(kind: str, path: str) -> None:
        nonlocal times
        if kind == "get" and times:
            times -= 1
            bucket.fault = None
            bucket().pipe_file("/b/raw/a.csv", f"id\n{times}{times}\n".encode())
            bucket.fault = staticmethod(replace)

    bucket.fault = staticmethod(replace)
    files = RemoteFiles(MaskedUrl("bucket://b/raw"))
    files.update()
    assert (files.copy / "a.csv").read_text() == "id\n00\n"
    times = 99
    bucket().pipe_file("/b/raw/b.csv", b"id\n7\n")
    with pytest.raises(RootstockError, match="changed while they were read"):
        files.update()
    assert not list(files.copy.rglob(".[!i]*"))
    assert (files.copy.parent / INDEX).is_file()


def test_no_objects(bucket: type[Bucket], tmp_path: Path) -> None:
    with pytest.raises(RootstockError, match=r"bucket://b/none/\*: does not exist"):
        RemoteFiles(MaskedUrl("bucket://b/none/*")).digest(tmp_path)


def test_spans_of_a_bucket(bucket: type[Bucket]) -> None:
    for day in (1, 2):
        bucket().pipe_file(f"/b/day-{day}/x.csv", b"id\n1\n")
        bucket().pipe_file(f"/b/log-{day}.csv", b"id\n1\n")
    folders = CsvReader(path=MaskedUrl("bucket://b/day-{SPAN}/*"), spans="all")
    files = CsvReader(path=MaskedUrl("bucket://b/log-{SPAN}.csv"))
    found = [s.path for s in resolved((folders, files))]
    assert found == ["bucket://b/day-1/*", "bucket://b/day-2/*", "bucket://b/log-2.csv"]


def test_image_manifest(bucket: type[Bucket], tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    for name, content in {"table.csv": b"path,y\n1.png,a\n2.png,b\n", "1.png": b"\x89PNG"}.items():
        (tmp_path / "m" / name).write_bytes(content)
        bucket().pipe_file(f"/b/m/{name}", content)
    remote = ImageManifestReader(path=MaskedUrl("bucket://b/m/table.csv"))
    here = ImageManifestReader(path=MaskedUrl(str(tmp_path / "m" / "table.csv")))
    assert remote.digest(tmp_path / "index") == here.digest(None)
    assert remote.copy.name == "table.csv"
    assert remote.units(remote.copy)[0].files == ("table.csv",)
