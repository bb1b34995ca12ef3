"""The store of results: `<root>/<stage>/<fingerprint>/`, published atomically by a rename.

An entry has one directory per output field, and `artifact.json`, the only file that a cache hit
reads. What a killed process leaves behind has a name that starts with a dot. It is never read, and
the next run removes it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from components.artifacts import Artifact
from components.data.digests import digest_tree
from components.errors import DISK_FULL, RootstockError
from pipeline.store.fingerprint import Identity
from pipeline.store.locks import held, sweep

T = TypeVar("T")
PACKAGES = ("rootstock", "tensorflow", "keras", "apache-beam", "pyarrow", "numpy")


@dataclass(frozen=True)
class Entry:
    """The content of `artifact.json` of a published result, and its directory."""

    identity: Identity
    outputs: Mapping[str, Mapping[str, str]]
    figures: Mapping[str, float | int | str]
    seconds: float
    created: float
    versions: Mapping[str, str]
    path: Path

    def load(self, outputs_type: type[T]) -> T:
        """The outputs as typed artifacts."""
        types = get_type_hints(outputs_type)
        outputs = {n: types[n](self.path / n, o["digest"]) for n, o in self.outputs.items()}
        return outputs_type(**outputs)


@dataclass(frozen=True)
class Attempt:
    """The directories of one attempt to produce an entry."""

    output: Path
    scratch: Path


@dataclass(frozen=True)
class Store:
    """A local artifact store.

    Raises:
        RootstockError: `root` cannot be written, or the disk is full.
    """

    root: Path

    def open(self) -> Store:
        """Create the root if it is missing, and remove what killed processes left."""
        with named_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            for directory in self.root.glob("*/.new-*"):
                sweep(directory)
            for directory in self.root.glob("*/.scratch-*"):
                sweep(directory, only_empty=True)  # others hold checkpoints to continue from
        return self

    def find(self, identity: Identity) -> Entry | None:
        """The entry of this identity; None if it is not published."""
        return self._read(self.root / identity.stage / identity.fingerprint)

    def producer(self, artifact: Artifact) -> Entry | None:
        """The entry that an artifact of this store belongs to."""
        return self._read(artifact.path.parent)

    def latest(self, stage: str) -> Entry | None:
        """The entry of this stage that was published last."""
        entries = [e for p in (self.root / stage).glob("[!.]*") if (e := self._read(p))]
        return max(entries, key=lambda e: e.created, default=None)

    @contextlib.contextmanager
    def attempt(self, identity: Identity) -> Iterator[Attempt]:
        """Directories for a new entry. Other processes wait here for the same fingerprint."""
        home = self.root / identity.stage
        with (
            named_errors(home),
            held(home / f".scratch-{identity.fingerprint}") as scratch,
            held(home / f".new-{uuid.uuid4().hex}") as output,
        ):
            try:
                yield Attempt(output, scratch)
            finally:
                shutil.rmtree(output, ignore_errors=True)
                with contextlib.suppress(OSError):
                    scratch.rmdir()  # unless there is something to continue from

    def publish(
        self,
        identity: Identity,
        attempt: Attempt,
        outputs: object,
        figures: Mapping[str, float | int | str],
        seconds: float,
    ) -> Entry:
        """Publish the outputs of an attempt, atomically.

        Raises:
            ValueError: an output is not in the directory that the contract of stages requires.
        """
        described: dict[str, dict[str, str]] = {}
        for f in fields(outputs):  # type: ignore[arg-type]
            artifact: Artifact = getattr(outputs, f.name)
            if artifact.path != attempt.output / f.name or not artifact.path.is_dir():
                raise ValueError(
                    f"{identity.stage} must write output {f.name!r} into the directory"
                    f" {attempt.output / f.name}, but names {artifact.path}"
                )
            digest = digest_tree(artifact.path)
            described[f.name] = {"type": type(artifact).__name__, "digest": digest}
        final = self.root / identity.stage / identity.fingerprint
        entry = Entry(identity, described, dict(figures), seconds, time.time(), _versions(), final)
        text = json.dumps({k: v for k, v in asdict(entry).items() if k != "path"}, indent=1)
        with open(attempt.output / "artifact.json", "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            attempt.output.rename(final)
        except OSError as e:
            if e.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            if (winner := self.find(identity)) is not None:
                return winner  # another process was first with the same result
            shutil.rmtree(final)  # it has no readable artifact.json
            attempt.output.rename(final)
        shutil.rmtree(attempt.scratch, ignore_errors=True)
        return entry

    def discard(self, entry: Entry) -> None:
        """Remove an entry, so that its stage runs again."""
        removed = entry.path.with_name(f".new-{uuid.uuid4().hex}")
        entry.path.rename(removed)
        shutil.rmtree(removed)

    def _read(self, path: Path) -> Entry | None:
        try:
            content: dict[str, Any] = json.loads((path / "artifact.json").read_text())
            identity = Identity(**content["identity"])
            return Entry(**{**content, "identity": identity, "path": path})
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
            return None


@contextlib.contextmanager
def named_errors(where: Path) -> Iterator[None]:
    """Turn errors of a full or read-only disk into errors that name the directory."""
    try:
        yield
    except OSError as e:
        if e.errno in DISK_FULL:
            raise RootstockError(
                f"{where}: no space left on this disk ({e.strerror}). Free some space, or choose"
                " another `store` in the spec, and run the same command again. Finished stages are"
                " kept."
            ) from e
        if e.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise RootstockError(
                f"{e.filename or where}: cannot be written ({e.strerror}). Choose a writable"
                " directory, or change its permissions."
            ) from e
        raise


def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions
