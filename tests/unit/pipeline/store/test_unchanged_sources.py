from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from components.artifacts import SourceFiles
from components.data.digests import RawFiles
from components.data.remote_files import RemoteFiles
from components.errors import RootstockError
from models.masked_url import MaskedUrl
from pipeline.store.unchanged_sources import STATE, unchanged
from tests.remote import Bucket, bucket

__all__ = ["bucket"]


@dataclass(frozen=True)
class Inputs:
    files: tuple[SourceFiles, ...]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_text(name * 10)
    return folder


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch" / "units").mkdir(parents=True)
    return tmp_path / "scratch"


def forget() -> None:
    """Of attempts that keep nothing elsewhere."""


def inputs(folder: Path) -> Inputs:
    return Inputs((SourceFiles.of(RawFiles(str(folder)), folder.with_name("index")),))


def test_copies_that_were_trimmed_have_not_changed(
    bucket: type[Bucket], tmp_path: Path, scratch: Path
) -> None:
    bucket().pipe_file("/b/raw/a.csv", b"id\n1\n")
    reader = RemoteFiles(MaskedUrl("bucket://b/raw"))
    given = Inputs((SourceFiles.of(reader, tmp_path / "index"),))
    (reader.copy / "a.csv").unlink()
    with unchanged("Stage", given, scratch, forget):
        assert (given.files[0].path / "a.csv").is_file()


def test_files_that_stay_as_they_are_may_be_read(folder: Path, scratch: Path) -> None:
    for _ in range(2):  # the second attempt keeps what the first one left
        with unchanged("Stage", inputs(folder), scratch, forget):
            (folder / "a").read_text()
            (scratch / "unit").touch()
        assert (scratch / "unit").exists()


def test_the_message_names_what_happened_to_each_file(folder: Path, scratch: Path) -> None:
    expected = (
        r"changed while Stage.*\n  .*a: was written .*10 to 2 .*\n  .*b: was removed\n  .*c: "
    )
    with (
        pytest.raises(RootstockError, match=expected),
        unchanged("Stage", inputs(folder), scratch, forget),
    ):
        (folder / "a").write_text("aa")
        (folder / "b").unlink()
        (folder / "c").touch()
    assert list(scratch.iterdir()) == []


def test_a_change_explains_the_error_that_it_causes(folder: Path, scratch: Path) -> None:
    removed = pytest.raises(RootstockError, match="b: was removed")
    with removed as caught, unchanged("Stage", inputs(folder), scratch, forget):
        (folder / "b").unlink()
        (folder / "b").read_text()
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    with (
        pytest.raises(ValueError, match="other"),
        unchanged("Stage", inputs(folder), scratch, forget),
    ):
        raise ValueError("other")


def test_content_counts_where_times_do_not_tell(folder: Path, scratch: Path) -> None:
    given, forgotten = inputs(folder), list[bool]()
    (folder / "a").write_text("b" * 10)
    changed = pytest.raises(RootstockError, match=r"in: its content has changed")
    with changed, unchanged("Stage", given, scratch, lambda: forgotten.append(True)):
        pass
    assert forgotten == [True]


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(folder: Path, scratch: Path) -> None:
    ended = threading.Timer(20, os._exit, [1])
    ended.start()
    replaced = pytest.raises(RootstockError, match="b: was written or replaced")
    with replaced, unchanged("Stage", inputs(folder), scratch, forget):
        (folder / "b").unlink()
        os.mkfifo(folder / "b")
    ended.cancel()


def test_what_an_attempt_on_other_files_kept_is_deleted(folder: Path, scratch: Path) -> None:
    given, forgotten = inputs(folder), list[bool]()
    elsewhere = partial(forgotten.append, True)
    with pytest.raises(KeyboardInterrupt), unchanged("Stage", given, scratch, elsewhere):
        (scratch / "unit").touch()
        raise KeyboardInterrupt
    assert (scratch / "unit").exists()
    assert forgotten == [], "a machine without an attempt may go on from that of another one"
    (folder / "a").rename(folder / "c")
    (folder / "c").rename(folder / "a")  # the time of its last change is another
    with unchanged("Stage", given, scratch, elsewhere):
        assert [f.name for f in scratch.iterdir()] == [STATE]
    assert forgotten == [True]
