"""Locks, between handles of one process: each opens the file anew, as another process would."""

import contextlib
import errno
import fcntl
import threading
from pathlib import Path

import pytest

from components.errors import RootstockError
from pipeline.store.locks import held, locked, sweep


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", wait=False) as first:
        assert first
        with locked(tmp_path / "lock", wait=False) as second:
            assert not second
    with locked(tmp_path / "lock", wait=False) as third:
        assert third


def test_a_directory_that_is_held_is_not_swept_and_waited_for(tmp_path: Path) -> None:
    order = []

    def second() -> None:
        with held(tmp_path / "a"):
            order.append("second")

    with held(tmp_path / "a") as directory:
        sweep(directory)
        assert directory.is_dir()
        waiting = threading.Thread(target=second)
        waiting.start()
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]
    sweep(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_directory_that_others_remove_is_made_again(tmp_path: Path) -> None:
    ended = threading.Event()

    def remove() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                (tmp_path / "a").rmdir()

    others = threading.Thread(target=remove)
    others.start()
    try:
        for _ in range(2000):
            with held(tmp_path / "a") as directory:
                assert directory == tmp_path / "a"
    finally:
        ended.set()
        others.join()


def test_a_file_in_the_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(NotADirectoryError, match="/a"), held(tmp_path / "a"):
        pass


def test_only_an_empty_directory_is_swept_if_so_asked(tmp_path: Path) -> None:
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "checkpoint").touch()
    with held(tmp_path / "held"):
        for name in ("empty", "full", "held"):
            sweep(tmp_path / name, only_empty=True)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["full", "held"]


def test_a_file_system_without_locks_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(RootstockError, match="has no file locks") as caught, held(tmp_path / "a"):
        pass
    assert str(tmp_path) in str(caught.value)
