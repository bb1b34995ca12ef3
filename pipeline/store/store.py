"""The store of results: `<root>/<stage>/<fingerprint>/`, published atomically by a rename.

An entry has one directory per output field, `artifact.json`, which lists their files, and
`checked.json`, a note of when they were last seen to be whole: see `pipeline.store.integrity`. What
a killed process leaves behind has a name that starts with a dot. It is never read, and the next run
removes it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from components.artifacts import Artifact
from components.data.digests import combined
from components.errors import DISK_FULL, RootstockError
from pipeline.store.fingerprint import Identity
from pipeline.store.integrity import CHECKED, damage, settled_stamps
from pipeline.store.integrity import STATE as INPUTS_STATE
from pipeline.store.locks import held, sweep
from pipeline.store.unchanged_sources import STATE as SOURCES_STATE
from serving import manifest
from serving.manifest import Manifest

T = TypeVar("T")
RECORD = "artifact.json"
NO_RECORD = f"{RECORD} is missing, or cannot be read"
_FINGERPRINT = re.compile("[0-9a-f]{16}")
PACKAGES = ("rootstock", "tensorflow", "keras", "apache-beam", "pyarrow", "numpy")


@dataclass(frozen=True)
class Entry:
    """The content of `artifact.json` of a published result, and its directory.

    outputs: type and digest of each output. files: the files of each output.
    """

    identity: Identity
    outputs: Mapping[str, Mapping[str, str]]
    files: Mapping[str, Manifest]
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

    def damage(self, whole: bool = False) -> list[str]:
        """How its files differ from what was published, one phrase for each; empty if they do not.

        whole: read also files whose times have not changed since they were last read.
        """
        return damage(self.path, self.files, whole)


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
                entry = directory.with_name(directory.name.removeprefix(".scratch-"))
                # without a result, one that is not empty holds checkpoints to continue from
                sweep(directory, only_empty=not (entry / RECORD).exists())
        return self

    def place(self, identity: Identity) -> Path:
        """The directory of the entry of this identity, published or not."""
        return self.root / identity.stage / identity.fingerprint

    def holds(self, path: Path) -> bool:
        """Whether a path is that of an output of an entry."""
        entry = path.absolute().parent
        return _FINGERPRINT.fullmatch(entry.name) is not None and (
            entry.parent.parent == self.root.absolute()
        )

    def find(self, identity: Identity) -> Entry | None:
        """The entry of this identity; None if it is not published, or damaged."""
        entry = read_entry(self.place(identity))
        return None if entry is None or entry.damage() else entry

    def damage(self, identity: Identity) -> list[str]:
        """What is damaged in the entry of this identity; empty if it is whole or missing."""
        place = self.place(identity)
        if (entry := read_entry(place)) is not None:
            return entry.damage()
        return [NO_RECORD] if place.is_dir() and not is_of_earlier_version(place) else []

    def producer(self, artifact: Artifact) -> Entry | None:
        """The entry that an artifact of this store belongs to."""
        return read_entry(artifact.path.parent)

    def latest(self, stage: str) -> Entry | None:
        """The entry of this stage that was published last."""
        entries = [e for p in (self.root / stage).glob("[!.]*") if (e := read_entry(p))]
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
                _remove_if_unused(scratch)

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
        files: dict[str, Manifest] = {}
        for f in fields(outputs):  # type: ignore[arg-type]
            artifact: Artifact = getattr(outputs, f.name)
            if artifact.path != attempt.output / f.name or not artifact.path.is_dir():
                raise ValueError(
                    f"{identity.stage} must write output {f.name!r} into the directory"
                    f" {attempt.output / f.name}, but names {artifact.path}"
                )
            files[f.name] = manifest.manifest_of(artifact.path)
            digest = combined({name: file.sha256 for name, file in files[f.name].items()})
            described[f.name] = {"type": type(artifact).__name__, "digest": digest}
        final = self.place(identity)
        created, versions = time.time(), _versions()
        entry = Entry(identity, described, files, dict(figures), seconds, created, versions, final)
        (attempt.output / CHECKED).write_text(json.dumps(settled_stamps(attempt.output, files)))
        with open(attempt.output / RECORD, "w") as file:
            file.write(_to_json(entry))
            file.flush()
            os.fsync(file.fileno())
        try:
            attempt.output.rename(final)
        except OSError as e:
            if e.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            if (winner := self.find(identity)) is not None:
                return winner  # another process was first with the same result
            shutil.rmtree(final)  # it is damaged
            attempt.output.rename(final)
        shutil.rmtree(attempt.scratch, ignore_errors=True)
        return entry

    def discard(self, entry: Path) -> None:
        """Remove the directory of an entry, if there is one, so that its stage runs again."""
        removed = entry.with_name(f".new-{uuid.uuid4().hex}")
        with contextlib.suppress(FileNotFoundError), named_errors(entry):
            entry.rename(removed)
            shutil.rmtree(removed)

    def entries(self) -> Iterator[tuple[Path, Entry | None]]:
        """The directories of all results, with None for those without a readable record."""
        for place in sorted(self.root.glob("*/*")):
            if _FINGERPRINT.fullmatch(place.name) and place.is_dir():
                yield place, read_entry(place)


def _remove_if_unused(scratch: Path) -> None:
    """Remove a scratch directory, unless it has something to continue from."""
    with contextlib.suppress(OSError):
        if {path.name for path in scratch.iterdir()} <= {INPUTS_STATE, SOURCES_STATE}:
            shutil.rmtree(scratch)


def read_entry(path: Path) -> Entry | None:
    """The entry in a directory; None if it has no record, or one that is damaged."""
    try:
        content: dict[str, Any] = json.loads((path / RECORD).read_text())
        if content.pop("checksum") != _checksum(content):
            return None
        content["identity"] = Identity(**content["identity"])
        files = {name: manifest.from_json(m) for name, m in content["files"].items()}
        return Entry(**{**content, "files": files, "path": path})
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None


def is_of_earlier_version(path: Path) -> bool:
    """Whether the record in a directory is whole, but of a version that did not list files."""
    try:
        fields = json.loads((path / RECORD).read_text()).keys()
        return {"identity", "outputs"} <= fields and not {"files", "checksum"} & fields
    except (OSError, ValueError, AttributeError):
        return False


def _to_json(entry: Entry) -> str:
    content = {
        **{f.name: getattr(entry, f.name) for f in fields(entry) if f.name != "path"},
        "identity": asdict(entry.identity),
        "files": {name: manifest.to_json(m) for name, m in entry.files.items()},
    }
    return json.dumps({**content, "checksum": _checksum(content)}, indent=1)


def _checksum(content: Mapping[str, Any]) -> str:
    """Of a record without its checksum, as JSON writes and reads it."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextlib.contextmanager
def named_errors(where: Path) -> Iterator[None]:
    """Turn errors of a full, failing or read-only disk into errors that name the directory."""
    try:
        yield
    except OSError as e:
        if e.errno in DISK_FULL:
            raise RootstockError(
                f"{where}: no space left on this disk ({e.strerror}). Free some space, or choose"
                " another `store` in the spec, and run the same command again. Finished stages are"
                " kept."
            ) from e
        if e.errno == errno.EIO:
            raise RootstockError(
                f"{e.filename or where}: the disk cannot be read or written ({e.strerror}). It, or"
                " the connection to it, may be failing. Check it, and run the same command again."
                " Finished stages are kept."
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
