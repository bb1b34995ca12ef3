"""In a worker: values that `packing` packed, with paths of this machine."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import io
import os
import pickle
import shutil
import tempfile
import threading
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from components.artifacts import RemoteObject
from components.beam.packing import Content, InInput, InScratch
from components.data.digests import digest_file
from components.data.objects import Objects
from components.errors import RootstockError

PREFIX, LOCK = "rootstock-worker-", ".lock"
"""Of the directory of a worker process, and of a file in it that is locked while that runs."""
BLOCK_BYTES = 1 << 27
"""Of an object that are in memory at a time."""
_lock = threading.Lock()
_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_uses: Counter[str] = Counter()
"""How many units use some copies now, by `InInput.key`."""


@dataclass
class Place:
    """Where the paths of one unit of work lead.

    scratch: a directory of its own. kept: keys of copies that other units need too.
    """

    scratch: Path
    kept: frozenset[str] = frozenset()
    copies: dict[str, InInput] = field(default_factory=dict)

    def loaded(self, packed: bytes) -> Any:
        """The value, after what it refers to was fetched.

        Raises:
            RootstockError: a file is gone, or is not what it was.
        """
        return _Unpickler(io.BytesIO(packed), self).load()

    def path(self, reference: InScratch | InInput) -> str | Path:
        if isinstance(reference, InScratch):
            path = self.scratch / reference.inside
            (path if reference.directory else path.parent).mkdir(parents=True, exist_ok=True)
        else:
            path = self._copy(reference) / reference.inside
        return str(path) if reference.as_text else path

    def named_as_there(self, text: str) -> str:
        """A message with the paths of the machine that packed the values."""
        for key, reference in self.copies.items():
            text = text.replace(str(_directory(key, reference)), reference.root)
        return text

    def _copy(self, reference: InInput) -> Path:
        key = reference.key
        directory = _directory(key, reference)
        with _lock_of(key):
            if key not in self.copies:
                self.copies[key] = reference
                _uses[key] += 1
            if not directory.exists():
                _fetch(reference, directory)
        return directory

    def release(self) -> None:
        """Delete what no other unit uses."""
        for key in self.copies:
            with _lock_of(key):
                _uses[key] -= 1
                if not _uses[key] and key not in self.kept:
                    shutil.rmtree(_home() / key, ignore_errors=True)


@contextmanager
def place(kept: frozenset[str] = frozenset()) -> Iterator[Place]:
    """A place for a unit of work, which is deleted with everything in it."""
    scratch = _home() / f"unit-{uuid.uuid4().hex}"
    scratch.mkdir()
    here = Place(scratch, kept)
    try:
        yield here
    finally:
        here.release()
        shutil.rmtree(scratch, ignore_errors=True)


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, here: Place) -> None:
        super().__init__(stream)
        self.here = here

    def persistent_load(self, pid: Any) -> str | Path:
        return self.here.path(pickle.loads(pid))


@cache
def _home() -> Path:
    """The directory of this process for copies, in `$TMPDIR`."""
    remove_left(Path(tempfile.gettempdir()))
    home = Path(tempfile.mkdtemp(prefix=PREFIX))
    fcntl.flock(os.open(home / "new", os.O_CREAT | os.O_WRONLY), fcntl.LOCK_EX)
    (home / "new").rename(home / LOCK)  # so that nobody finds it without its lock
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


def remove_left(directory: Path) -> None:
    """Remove what killed workers left: runners often kill them."""
    for lock in directory.glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError), lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent)


def _lock_of(key: str) -> threading.Lock:
    with _lock:
        return _locks[key]


def _directory(key: str, reference: InInput) -> Path:
    """Of copies. It has the name of the original: some formats read the names of folders."""
    return _home() / key / (Path(reference.root).name or "root")


def _fetch(reference: InInput, directory: Path) -> None:
    arriving = directory.parent / "arriving"
    shutil.rmtree(directory.parent, ignore_errors=True)
    first: dict[Content, Path] = {}
    for name, content in reference.files:
        first.setdefault(content, arriving / name)
    for file in first.values():
        file.parent.mkdir(parents=True, exist_ok=True)
    _fetch_whole({c.object: file for c, file in first.items() if not c.pieces})
    for content, file in first.items():
        # servers that do not honour ranges send all of an object, or an error
        if content.pieces and not _fetch_pieces(content, file):
            _fetch_whole({content.object: file})
    for name, content in reference.files:
        if (file := arriving / name) != first[content]:
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(first[content], file)
    arriving.rename(directory)


def _fetch_whole(files: Mapping[RemoteObject, Path]) -> None:
    """Write files with the content of objects.

    Raises:
        RootstockError: an object is gone, or is not what it was.
    """
    for url in {remote.url.reveal(): remote.url for remote in files}.values():
        wanted = {o.name: f for o, f in files.items() if o.url.reveal() == url.reveal()}
        try:
            Objects(url).download(wanted)
        except FileNotFoundError as e:
            raise RootstockError(
                f"{url}: {e} is no longer there. Expected files that stay as they are during a run."
                " Run the same command again."
            ) from e
    for remote, file in files.items():
        if digest_file(file) != remote.sha256:
            raise RootstockError(
                f"{remote.url}/{remote.name}: is not what it was when the run began. Nothing was"
                " published. Expected files that stay as they are during a run. Run the same"
                " command again."
            )


def _fetch_pieces(content: Content, file: Path) -> bool:
    """Write a file of the same size that has only these pieces. Returns whether they are what they
    were.
    """
    objects, name = Objects(content.object.url), content.object.name
    with open(file, "wb") as opened:
        opened.truncate(content.size)
        for piece in content.pieces:
            opened.seek(piece.start)
            digest = hashlib.sha256()
            for start in range(piece.start, piece.stop, BLOCK_BYTES):
                stop = min(start + BLOCK_BYTES, piece.stop)
                try:
                    data = objects.read_range(name, start, stop)
                except (FileNotFoundError, RootstockError):
                    return False
                if len(data) != stop - start:
                    return False
                digest.update(data)
                opened.write(data)
            if digest.hexdigest() != piece.sha256:
                return False
    return True
