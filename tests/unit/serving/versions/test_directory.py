"""Versions on disk: one rename each, never reused, whatever dies in between."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.files import lock
from serving.versions import directory as directory_module
from serving.versions import labels
from serving.versions.directory import Directory
from serving.versions.history import read_origin, version_numbers


def push(base: Path, saved_model: Path, digest: str) -> int:
    return Directory(base).push("digits", saved_model, digest)


def hidden(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if path.name.startswith(".")}


def test_versions_count_up_and_hold_the_whole_model(tmp_path: Path, saved_model: Path) -> None:
    base = tmp_path / "served"
    assert [push(base, saved_model, digest) for digest in "abc"] == [1, 2, 3]
    assert version_numbers(base / "digits") == [1, 2, 3]
    version = base / "digits" / "2"
    assert (version / "variables" / "variables.index").read_bytes() == b"weights"
    assert read_origin(version).digest == "b"
    assert hidden(base / "digits") == {".lock", ".last_version"}
    Directory(base).label("digits", "stable")
    assert hidden(base / "digits") == {".lock", ".last_version", labels.FILE, labels.HISTORY}


def test_a_number_is_not_reused_after_its_version_was_deleted(
    tmp_path: Path, saved_model: Path
) -> None:
    push(tmp_path, saved_model, "a")
    assert push(tmp_path, saved_model, "b") == 2
    shutil.rmtree(tmp_path / "digits" / "2")
    assert push(tmp_path, saved_model, "b") == 3


def test_versions_of_other_programs_are_kept(tmp_path: Path, saved_model: Path) -> None:
    directory = tmp_path / "digits"
    (directory / "1700000000").mkdir(parents=True)
    (directory / "not-a-version").mkdir()
    assert Directory(tmp_path).history("digits") == {1700000000: None}
    assert push(tmp_path, saved_model, "a") == 1700000001
    assert (directory / "1700000000").exists()


def test_labels_without_a_history_are_read(tmp_path: Path, saved_model: Path) -> None:
    for digest in "ab":
        push(tmp_path, saved_model, digest)
    (tmp_path / "digits" / labels.FILE).write_text('{"canary": 2, "stable": 2}')
    place = Directory(tmp_path)
    assert place.labels("digits") == {"canary": 2, "stable": 2}
    assert place.rollback("digits") == (3, 1)
    assert place.labels("digits") == {"canary": 3, "stable": 3}


def test_a_failed_copy_leaves_nothing_behind(tmp_path: Path, saved_model: Path) -> None:
    (saved_model / "broken").symlink_to("nowhere")
    with pytest.raises(OSError, match="No such file"):
        push(tmp_path, saved_model, "a")
    assert hidden(tmp_path / "digits") == {".lock"}
    assert version_numbers(tmp_path / "digits") == []


DIE = """
import os, sys
from pathlib import Path
from serving.versions import directory
base, model, function, after = sys.argv[1:]
owner = os if function == "fsync" else directory
original, calls = getattr(owner, function), 0
def die(*arguments):
    global calls
    calls += 1
    if calls > int(after):
        os.kill(os.getpid(), 9)
    return original(*arguments)
setattr(owner, function, die)
directory.Directory(Path(base)).push("digits", Path(model), "a")
"""


@pytest.mark.parametrize(
    ("function", "after"),
    [("_copy", 0), ("fsync", 0), ("fsync", 4), ("_next_number", 0), ("fsync", 6), ("fsync", 7)],
)
def test_a_writer_killed_anywhere_leaves_no_half_version(
    tmp_path: Path, saved_model: Path, function: str, after: int
) -> None:
    command = [sys.executable, "-c", DIE, str(tmp_path), str(saved_model), function, str(after)]
    assert subprocess.run(command, check=False).returncode == -9
    directory = tmp_path / "digits"
    for version in version_numbers(directory):
        assert read_origin(directory / str(version)).digest == "a"
    pushed = push(tmp_path, saved_model, "a")
    assert version_numbers(directory) == [pushed]
    assert (directory / str(pushed) / "saved_model.pb").read_bytes() == b"graph"
    assert hidden(directory) == {".lock", ".last_version"}


def test_the_staging_directory_of_a_living_writer_is_kept(
    tmp_path: Path, saved_model: Path
) -> None:
    directory = tmp_path / "digits"
    staging = directory / ".staging-1"
    staging.mkdir(parents=True)
    with lock(directory_module._lock_of(staging)):
        push(tmp_path, saved_model, "a")
        assert staging.exists()
    push(tmp_path, saved_model, "b")
    assert not staging.exists()


PUSH = """
import sys
from pathlib import Path
from serving.versions.directory import Directory
base, model, digests = sys.argv[1:]
place = Directory(Path(base))
print(*[place.push("digits", Path(model), digest) for digest in digests.split(",")])
"""


def push_elsewhere(base: Path, saved_model: Path, digests: str) -> list[int]:
    command = [sys.executable, "-c", PUSH, str(base), str(saved_model), digests]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [int(word) for word in output.split()]


def test_two_writers_at_once_lose_nothing(tmp_path: Path, saved_model: Path) -> None:
    digests = [",".join(f"{writer}{i}" for i in range(20)) for writer in "ab"]
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda d: push_elsewhere(tmp_path, saved_model, d), digests)
    assert sorted(first + second) == list(range(1, 41))
    assert first == sorted(first)
    assert second == sorted(second)
    assert version_numbers(tmp_path / "digits") == list(range(1, 41))


def test_simultaneous_pushes_of_one_model_make_one_version(
    tmp_path: Path, saved_model: Path
) -> None:
    with ThreadPoolExecutor() as pool:
        versions = list(pool.map(lambda d: push_elsewhere(tmp_path, saved_model, d), "aaa"))
    assert versions == [[1], [1], [1]]
    assert version_numbers(tmp_path / "digits") == [1]
