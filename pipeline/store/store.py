"""The store of results: `<root>/<stage>/<fingerprint>/`, published atomically by a rename.

An entry has one directory per output field, `artifact.json`, which lists their files, and
`checked.json`, a note of when they were last seen to be whole: see `pipeline.store.integrity`. What
a killed process leaves behind has a name that starts with a dot. It is never read, and the next run
removes it. Of a store behind a URL this is the copy on this machine: see `pipeline.store.mirror`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from components.artifacts import Artifact
from components.data.cache import cache
from components.data.digests import combined
from pipeline.store.disk import named_errors
from pipeline.store.entry import (
    NO_RECORD,
    RECORD,
    Entry,
    is_of_earlier_version,
    read_entry,
    to_json,
)
from pipeline.store.fingerprint import Identity
from pipeline.store.integrity import CHECKED, settled_stamps
from pipeline.store.integrity import STATE as INPUTS_STATE
from pipeline.store.locks import held, sweep
from pipeline.store.mirror import Mirror
from pipeline.store.place import url_of
from pipeline.store.trim import trim
from pipeline.store.unchanged_sources import STATE as SOURCES_STATE
from serving import manifest
from serving.manifest import Manifest

_FINGERPRINT = re.compile("[0-9a-f]{16}")
PACKAGES = ("rootstock", "tensorflow", "keras", "apache-beam", "pyarrow", "numpy")


@dataclass(frozen=True)
class Attempt:
    """The directories of one attempt to produce an entry."""

    output: Path
    scratch: Path


@dataclass(frozen=True)
class Store:
    """An artifact store: a directory, which may be the copy of a store behind a URL.

    Raises:
        RootstockError: `root` cannot be written, the disk is full, or a remote store fails.
    """

    root: Path

    @cached_property
    def mirror(self) -> Mirror | None:
        """What connects the directory with the remote store that it is a copy of."""
        return Mirror(url, self.root) if (url := url_of(self.root)) else None

    def open(self) -> Store:
        """Create the root if it is missing, and remove what killed processes left. Once: calls of
        an opened store do nothing.
        """
        _ = self._swept
        return self

    @cached_property
    def _swept(self) -> bool:
        with named_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            for directory in self.root.glob("*/.new-*"):
                sweep(directory)
            for directory in self.root.glob("*/.scratch-*"):
                entry = directory.with_name(directory.name.removeprefix(".scratch-"))
                # without a result, one that is not empty holds checkpoints to continue from
                sweep(directory, only_empty=not (entry / RECORD).exists())
        if self.mirror is not None or (cache() / "sources").is_dir():
            with named_errors(self.root):
                trim()
        if self.mirror is not None:
            self.mirror.check()
        return True

    def check(self) -> None:
        """Check that a remote store can be written."""
        if self.mirror is not None:
            self.mirror.check(writing=True)

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
        if self.mirror is not None:
            return self.mirror.find(self.place(identity))
        entry = read_entry(self.place(identity))
        return None if entry is None or entry.damage() else entry

    def damage(self, identity: Identity) -> list[str]:
        """What is damaged in the entry of this identity; empty if it is whole or missing."""
        place = self.place(identity)
        if (entry := self.at(place)) is not None:
            return entry.damage()
        return [NO_RECORD] if place.is_dir() and not is_of_earlier_version(place) else []

    def producer(self, artifact: Artifact) -> Entry | None:
        """The entry that an artifact of this store belongs to."""
        return self.at(artifact.place.parent)

    def at(self, place: Path) -> Entry | None:
        """The entry in a directory of this store; None if it has no record, or a damaged one."""
        return read_entry(place, self.mirror)

    def latest(self, stage: str) -> Entry | None:
        """The entry of this stage that was published last, of those that this machine has."""
        entries = [e for p in (self.root / stage).glob("[!.]*") if (e := self.at(p))]
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
        instead: Entry | None = None,
        uploaded: Collection[str] = (),
    ) -> Entry:
        """Publish the outputs of an attempt, atomically.

        instead: what is replaced in a remote store. Any other entry that is there stays, and is
            returned: another machine published it in the meantime.
        uploaded: see `Mirror.publish`.

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
        known = dict(figures), seconds, created, versions
        entry = Entry(identity, described, files, *known, final, self.mirror)
        (attempt.output / CHECKED).write_text(json.dumps(settled_stamps(attempt.output, files)))
        with open(attempt.output / RECORD, "w") as file:
            file.write(to_json(entry))
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
        return entry if self.mirror is None else self.mirror.publish(entry, instead, uploaded)

    def discard(self, entry: Path) -> None:
        """Remove the directory of an entry, if there is one, so that its stage runs again, or so
        that its outputs are fetched again from a remote store.
        """
        removed = entry.with_name(f".new-{uuid.uuid4().hex}")
        with contextlib.suppress(FileNotFoundError), named_errors(entry):
            entry.rename(removed)
            shutil.rmtree(removed)

    def entries(self) -> Iterator[tuple[Path, Entry | None]]:
        """The directories of all results on this machine, with None for those without a readable
        record.
        """
        for place in sorted(self.root.glob("*/*")):
            if _FINGERPRINT.fullmatch(place.name) and place.is_dir():
                yield place, self.at(place)


def _remove_if_unused(scratch: Path) -> None:
    """Remove a scratch directory, unless it has something to continue from."""
    with contextlib.suppress(OSError):
        if {path.name for path in scratch.iterdir()} <= {INPUTS_STATE, SOURCES_STATE}:
            shutil.rmtree(scratch)


def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions
