"""Where results live: `<root>/<stage>/<fingerprint>/`, published whole by one rename.

An entry holds one folder for each output field and `artifact.json`. A cache hit reads that one
file. Whatever a killed process leaves behind has a name that starts with a dot, is never read, and
is swept away by the next run.
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
    """What `artifact.json` says of one published result."""

    identity: Identity
    outputs: Mapping[str, Mapping[str, str]]
    figures: Mapping[str, float | int | str]
    seconds: float
    created: float
    versions: Mapping[str, str]
    path: Path

    def load(self, outputs_type: type[T]) -> T:
        """The outputs as typed artifacts at their published place."""
        types = get_type_hints(outputs_type)
        return outputs_type(
            **{n: types[n](self.path / n, o["digest"]) for n, o in self.outputs.items()}
        )


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
        """Make the root if need be, and sweep what dead processes left."""
        with named_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            for left in self.root.glob("*/.new-*"):
                sweep(left)
        return self

    def find(self, identity: Identity) -> Entry | None:
        """The published entry of this identity, if there is one."""
        return self._read(self.root / identity.stage / identity.fingerprint)

    def latest(self, stage: str) -> Entry | None:
        """The entry of this stage that was published last."""
        entries = [e for p in (self.root / stage).glob("[!.]*") if (e := self._read(p))]
        return max(entries, key=lambda e: e.created, default=None)

    @contextlib.contextmanager
    def attempt(self, identity: Identity) -> Iterator[Attempt]:
        """Directories for producing an entry; other processes wait for this fingerprint here."""
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

    def publish(
        self,
        identity: Identity,
        attempt: Attempt,
        outputs: object,
        figures: Mapping[str, float | int | str],
        seconds: float,
    ) -> Entry:
        """Make the outputs of an attempt visible, all at once.

        Raises:
            ValueError: an output does not lie where the stage contract says.
        """
        described: dict[str, dict[str, str]] = {}
        for f in fields(outputs):  # type: ignore[arg-type]
            artifact: Artifact = getattr(outputs, f.name)
            if artifact.path != attempt.output / f.name or not artifact.path.is_dir():
                raise ValueError(
                    f"{identity.stage} must write output {f.name!r} into the directory"
                    f" {attempt.output / f.name}, but names {artifact.path}"
                )
            described[f.name] = {
                "type": type(artifact).__name__,
                "digest": digest_tree(artifact.path),
            }
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
                return winner  # another process was first: the results are interchangeable
            shutil.rmtree(final)  # an entry without a readable artifact.json is no entry
            attempt.output.rename(final)
        shutil.rmtree(attempt.scratch, ignore_errors=True)
        return entry

    def discard(self, entry: Entry) -> None:
        """Forget an entry whose outside effect is gone, so that it is made again."""
        gone = entry.path.with_name(f".new-{uuid.uuid4().hex}")
        entry.path.rename(gone)
        shutil.rmtree(gone)

    def _read(self, path: Path) -> Entry | None:
        try:
            told: dict[str, Any] = json.loads((path / "artifact.json").read_text())
            return Entry(**{**told, "identity": Identity(**told["identity"]), "path": path})
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
            return None


@contextlib.contextmanager
def named_errors(where: Path) -> Iterator[None]:
    """Say a full or read-only disk as the user's matter, naming the place."""
    try:
        yield
    except OSError as e:
        if e.errno in DISK_FULL:
            raise RootstockError(
                f"{where}: no space left on this disk ({e.strerror}). Free some, or give another"
                " store with `store:` in the spec, and run the same command again: finished stages"
                " are kept."
            ) from e
        if e.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise RootstockError(
                f"{e.filename or where}: cannot be written ({e.strerror}). Give a writable"
                " directory, or change its permissions."
            ) from e
        raise


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
