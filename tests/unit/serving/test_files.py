"""Locks and atomic writes."""

import errno
import fcntl
from pathlib import Path

import pytest

from serving.files import lock, write_atomically


def test_a_lock_excludes_others_until_it_is_closed(tmp_path: Path) -> None:
    with lock(tmp_path / "lock"), pytest.raises(BlockingIOError):
        lock(tmp_path / "lock", wait=False)
    lock(tmp_path / "lock", wait=False).close()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(*_: object) -> None:
        raise OSError(code, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="has no file locks") as caught:
        lock(tmp_path / "lock")
    assert str(tmp_path) in str(caught.value.strerror)


def test_a_file_is_replaced_and_nothing_else_remains(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for text in ("first", "zweitens: ä"):
        write_atomically(file, text)
        assert file.read_text(encoding="utf-8") == text
    assert list(tmp_path.iterdir()) == [file]
