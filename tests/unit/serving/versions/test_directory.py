"""Versions: one rename each, never reused, whatever dies in between."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.versions import directory as layout
from serving.versions import labels
from serving.versions.base import Directory
from serving.versions.history import Origin, history, numbers, origin_of, served_before
from serving.versions.labels import on_trial


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    path = tmp_path / "saved_model"
    (path / "variables").mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"graph")
    (path / "variables" / "variables.index").write_bytes(b"weights")
    return path


def push(base: Path, saved_model: Path, digest: str) -> int:
    return layout.push(base, "digits", saved_model, digest)


def hidden(directory: Path) -> set[str]:
    return {p.name for p in directory.iterdir() if p.name.startswith(".")}


def test_versions_count_up_and_hold_the_whole_model(tmp_path: Path, saved_model: Path) -> None:
    base = tmp_path / "served"
    assert [push(base, saved_model, digest) for digest in "abc"] == [1, 2, 3]
    assert numbers(base / "digits") == [1, 2, 3]
    version = base / "digits" / "2"
    assert (version / "variables" / "variables.index").read_bytes() == b"weights"
    assert origin_of(version).digest == "b"
    assert hidden(base / "digits") == {".lock", ".last_version"}


def test_one_model_gets_one_version(tmp_path: Path, saved_model: Path) -> None:
    assert [push(tmp_path, saved_model, digest) for digest in "aabba"] == [1, 1, 2, 2, 1]


def test_a_number_is_not_reused_after_its_version_was_deleted(
    tmp_path: Path, saved_model: Path
) -> None:
    import shutil

    push(tmp_path, saved_model, "a")
    assert push(tmp_path, saved_model, "b") == 2
    shutil.rmtree(tmp_path / "digits" / "2")
    assert push(tmp_path, saved_model, "b") == 3


def test_versions_of_others_are_passed_over(tmp_path: Path, saved_model: Path) -> None:
    directory = tmp_path / "digits"
    (directory / "1700000000").mkdir(parents=True)
    (directory / "not-a-version").mkdir()
    (directory / "1700000001").write_text("a file")
    assert numbers(directory) == [1700000000]
    assert origin_of(directory / "1700000000") is None
    (directory / "1700000001").unlink()
    assert push(tmp_path, saved_model, "a") == 1700000001


def test_no_directory_has_no_versions(tmp_path: Path) -> None:
    assert numbers(tmp_path / "none") == []


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "../a", ".hidden", "ä", "a b"])
def test_names_that_fit_no_path_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="model name"):
        layout.model_directory(tmp_path, name)


def test_a_failed_copy_leaves_nothing(tmp_path: Path, saved_model: Path) -> None:
    (saved_model / "broken").symlink_to("nowhere")
    with pytest.raises(OSError, match="No such file"):
        push(tmp_path, saved_model, "a")
    assert hidden(tmp_path / "digits") == {".lock"}
    assert numbers(tmp_path / "digits") == []


DIE = """
import os, sys
from pathlib import Path
from serving.versions import directory as layout
base, model, point, after = sys.argv[1:]
real, calls = getattr(layout, point), 0
def die(*arguments):
    global calls
    calls += 1
    if calls > int(after):
        os.kill(os.getpid(), 9)
    return real(*arguments)
setattr(layout, point, die)
layout.push(Path(base), "digits", Path(model), "a")
"""


@pytest.mark.parametrize(
    ("point", "after"), [("_copy", 0), ("_sync", 0), ("_sync", 4), ("_next", 0), ("_sync", 6)]
)
def test_a_pusher_killed_anywhere_leaves_no_half_version(
    tmp_path: Path, saved_model: Path, point: str, after: int
) -> None:
    command = [sys.executable, "-c", DIE, str(tmp_path), str(saved_model), point, str(after)]
    assert subprocess.run(command, check=False).returncode == -9
    directory = tmp_path / "digits"
    for version in numbers(directory):
        assert origin_of(directory / str(version)).digest == "a"
    pushed = push(tmp_path, saved_model, "a")
    assert numbers(directory) == [pushed]
    assert (directory / str(pushed) / "saved_model.pb").read_bytes() == b"graph"
    assert hidden(directory) == {".lock", ".last_version"}


def test_the_staging_of_a_living_pusher_is_not_swept(tmp_path: Path, saved_model: Path) -> None:
    directory = tmp_path / "digits"
    staging = directory / ".staging-1"
    staging.mkdir(parents=True)
    with layout._lock(layout._alive(staging)):
        push(tmp_path, saved_model, "a")
        assert staging.exists()
    push(tmp_path, saved_model, "b")
    assert not staging.exists()


PUSH = """
import sys
from pathlib import Path
from serving.versions import directory as layout
base, model, digests = sys.argv[1:]
print(*[layout.push(Path(base), "digits", Path(model), d) for d in digests.split(",")])
"""


def push_elsewhere(base: Path, saved_model: Path, digests: str) -> list[int]:
    command = [sys.executable, "-c", PUSH, str(base), str(saved_model), digests]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [int(word) for word in out.split()]


def test_two_pushers_at_once_lose_nothing(tmp_path: Path, saved_model: Path) -> None:
    given = [",".join(f"{who}{i}" for i in range(20)) for who in "ab"]
    with ThreadPoolExecutor() as pool:
        got = list(pool.map(lambda d: push_elsewhere(tmp_path, saved_model, d), given))
    assert sorted(got[0] + got[1]) == list(range(1, 41))
    assert got[0] == sorted(got[0])
    assert got[1] == sorted(got[1])
    assert numbers(tmp_path / "digits") == list(range(1, 41))


def test_two_pushers_of_one_model_make_one_version(tmp_path: Path, saved_model: Path) -> None:
    with ThreadPoolExecutor() as pool:
        got = list(pool.map(lambda d: push_elsewhere(tmp_path, saved_model, d), ["a", "a", "a"]))
    assert got == [[1], [1], [1]]
    assert numbers(tmp_path / "digits") == [1]


def contents(directory: Path) -> list[str]:
    return [o.digest for o in history(directory).values()]


def test_rolling_back_serves_an_earlier_content_under_a_new_number(
    tmp_path: Path, saved_model: Path
) -> None:
    directory = tmp_path / "digits"
    for digest in "abc":
        (saved_model / "saved_model.pb").write_text(digest)
        push(tmp_path, saved_model, digest)
    assert layout.rollback(tmp_path, "digits") == (4, 2)
    assert (directory / "4" / "saved_model.pb").read_text() == "b"
    assert layout.rollback(tmp_path, "digits") == (5, 1)  # not back to c
    with pytest.raises(layout.NoSuchVersion, match="no other model"):
        layout.rollback(tmp_path, "digits")
    assert push(tmp_path, saved_model, "d") == 6
    assert layout.rollback(tmp_path, "digits") == (7, 1)  # what was served before d
    assert layout.rollback(tmp_path, "digits", to=3) == (8, 3)
    assert contents(directory) == list("abcbadac")
    assert origin_of(directory / "2").restores is None
    with pytest.raises(layout.NoSuchVersion, match="no version 9"):
        layout.rollback(tmp_path, "digits", to=9)


def test_old_versions_go_but_what_is_needed_stays(tmp_path: Path, saved_model: Path) -> None:
    def keep_two(digest: str) -> int:
        return layout.push(tmp_path, "digits", saved_model, digest, keep=2)

    assert [keep_two(d) for d in "abc"] == [1, 2, 3]
    assert numbers(tmp_path / "digits") == [2, 3]
    layout.label(tmp_path, "digits", "stable", 2)
    assert [keep_two(d) for d in "de"] == [4, 5]
    assert numbers(tmp_path / "digits") == [2, 4, 5]
    assert layout.push(tmp_path, "digits", saved_model, "f", keep=1) == 6
    assert numbers(tmp_path / "digits") == [2, 5, 6]  # 5: a rollback would restore it
    assert hidden(tmp_path / "digits") == {".lock", ".last_version", labels.FILE, labels.HISTORY}


def test_labels_name_versions_and_follow_a_rollback(tmp_path: Path, saved_model: Path) -> None:
    directory = tmp_path / "digits"
    assert labels.read(directory) == {}
    push(tmp_path, saved_model, "a")
    assert layout.label(tmp_path, "digits", "stable") == 1
    push(tmp_path, saved_model, "b")
    layout.label(tmp_path, "digits", "canary")
    assert labels.read(directory) == {"stable": 1, "canary": 2}
    layout.rollback(tmp_path, "digits")
    assert labels.read(directory) == {"stable": 3, "canary": 3}
    with pytest.raises(layout.NoSuchVersion, match="no version 9"):
        layout.label(tmp_path, "digits", "stable", 9)
    with pytest.raises(ValueError, match="a/b"):
        layout.label(tmp_path, "digits", "a/b")


def test_labels_of_before_there_was_a_history_are_read(tmp_path: Path, saved_model: Path) -> None:
    for digest in "ab":
        push(tmp_path, saved_model, digest)
    (tmp_path / "digits" / labels.FILE).write_text('{"canary": 2, "stable": 2}')
    assert labels.read(tmp_path / "digits") == {"canary": 2, "stable": 2}
    assert layout.rollback(tmp_path, "digits") == (3, 1)
    assert labels.read(tmp_path / "digits") == {"canary": 3, "stable": 3}


@pytest.mark.parametrize("broken", ["", "[]", "{", '{"stable": [1]}', "null"])
def test_label_files_that_are_broken_are_none(tmp_path: Path, broken: str) -> None:
    for name in (labels.FILE, labels.HISTORY):
        (tmp_path / name).write_text(broken)
    assert labels.read_all(tmp_path).versions == {}


def test_old_versions_go_whatever_makes_a_new_one(tmp_path: Path, saved_model: Path) -> None:
    for digest in "abcd":
        push(tmp_path, saved_model, digest)
    assert layout.rollback(tmp_path, "digits", keep=2) == (5, 3)
    assert numbers(tmp_path / "digits") == [2, 4, 5]  # 2: the next to go back to
    assert layout.rollback(tmp_path, "digits", keep=1) == (6, 2)
    assert numbers(tmp_path / "digits") == [4, 6]  # 4: or an unchanged spec would push it again
    assert layout.push_again(tmp_path, "digits", 4, keep=1) == 7
    assert contents(tmp_path / "digits") == ["b", "d"]
    assert layout.rollback(tmp_path, "digits") == (8, 6)  # pushed again, not gone back to


def test_a_version_on_trial_stays_that_when_another_takes_its_label(
    tmp_path: Path, saved_model: Path
) -> None:
    for digest in "abc":
        version = push(tmp_path, saved_model, digest)
        layout.label(tmp_path, "digits", "canary" if version > 1 else "stable")
    place = Directory(tmp_path)
    assert place.tried("digits") == {2, 3}
    assert served_before(place.history("digits"), "d", place.tried("digits")) == 1
    layout.label(tmp_path, "digits", "stable", 3)
    assert place.tried("digits") == {2}


@pytest.mark.parametrize(
    ("digests", "candidate", "expected"),
    [
        ([], "a", None),
        (["a"], "a", None),
        (["a"], "b", 1),
        (["a", "b"], "b", 1),  # b is served: it was compared with a, and is again
        (["a", "b"], "a", 2),
        (["a", "b", "a"], "a", 2),
    ],
)
def test_a_model_is_compared_with_what_is_served_besides_it(
    digests: list[str], candidate: str, expected: int | None
) -> None:
    known = {number: Origin(digest) for number, digest in enumerate(digests, 1)}
    assert served_before(known, candidate) == expected


def test_a_version_on_trial_is_not_what_is_served() -> None:
    known = {number: Origin(digest) for number, digest in enumerate("abc", 1)}
    canary = on_trial({"stable": 2, "canary": 3})
    assert served_before(known, "d", canary) == 2
    assert served_before(known, "c", canary) == 2
    assert served_before(known, "b", canary) == 1
    assert served_before(known, "d", on_trial({"stable": 3, "canary": 3})) == 3
