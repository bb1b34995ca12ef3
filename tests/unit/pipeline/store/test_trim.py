import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.data.remote_files import RemoteFiles
from components.errors import RootstockError
from models.masked_url import MaskedUrl
from pipeline.store.place import local
from pipeline.store.store import Store
from pipeline.store.trim import STORED, trim
from tests.remote import Bucket, bucket
from tests.unit.pipeline.store.test_mirror import ME, URL, Outputs, published

__all__ = ["bucket"]
IN_USE = """
import sys, time
from pipeline.store.trim import trim
trim()
print("running", flush=True)
time.sleep(60)
"""


def test_what_no_command_uses_is_removed_and_fetched_again(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ROOTSTOCK_CACHE_GB", "0")
    store = Store(local(URL)).open()
    entry = published(store)
    bucket().pipe_file("/b/a.csv", b"id\n1\n")
    source = RemoteFiles(MaskedUrl("bucket://b/a.csv"))
    source.digest(tmp_path)
    trim()
    assert entry.present() == ["examples", "schema"]  # this command uses it
    for mark in (entry.path / STORED, *source.copy.parent.glob(".index.json")):
        os.utime(mark, (1, 1))
    running = subprocess.Popen([sys.executable, "-c", IN_USE], stdout=subprocess.PIPE)
    assert running.stdout is not None
    try:
        assert running.stdout.readline() == b"running\n"
    finally:
        running.kill()
        running.communicate()
    assert entry.present() == []  # the other command removed it
    assert not source.copy.exists()
    found = store.find(ME)
    assert found is not None
    assert (found.load(Outputs).schema.path / "same").read_text() == "schema x"
    source.fetch(source.copy)
    assert source.copy.read_text() == "id\n1\n"


def test_a_result_that_is_not_uploaded_is_never_removed(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(local(URL)).open()
    entry = published(store)
    (entry.path / STORED).unlink()
    os.utime(entry.path, (1, 1))
    monkeypatch.setenv("ROOTSTOCK_CACHE_GB", "0")
    trim()
    assert entry.present() == ["examples", "schema"]


def test_a_command_shows_that_it_runs_although_another_one_looked_before_it_was_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROOTSTOCK_CACHE", str(tmp_path))
    removed: list[Path] = []
    lock = fcntl.flock

    def late(handle: int, kind: int) -> None:
        if not removed:  # the other command takes it for that of one that has ended
            removed.extend((tmp_path / "users").iterdir())
            removed[0].unlink()
        lock(handle, kind)

    monkeypatch.setattr(fcntl, "flock", late)
    trim()
    assert len(removed) == 1
    (mine,) = (tmp_path / "users").iterdir()
    with mine.open() as file, pytest.raises(BlockingIOError):
        lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_limit_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOTSTOCK_CACHE_GB", "all")
    with pytest.raises(RootstockError, match="expected a number of gigabytes"):
        trim()
