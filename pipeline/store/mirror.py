"""A store behind a URL, and its copy on this machine.

What is published is what the remote store has: `<stage>/<fingerprint>/artifact.json`, written last
and only if there is none, and before it the files, as `parts/<SHA-256>` beside it. So half a result
is never seen, two writers do not disturb each other, and the first of them that writes the record
has published. Finding a result is reading one object; nothing is listed.

The copy has the layout of a local store. A result is written there first and then uploaded; if that
fails, the next command uploads it. Outputs of other machines are fetched when they are read.
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.artifacts import RemoteObject
from components.data.atomic import write_whole
from components.data.objects import Objects
from components.errors import RootstockError
from models.masked_url import MaskedUrl
from pipeline.store.disk import named_errors
from pipeline.store.entry import RECORD, Entry, parse_entry, read_entry, to_json
from pipeline.store.locks import held
from pipeline.store.trim import STORED
from serving.manifest import Manifest, differences, shortened

FORMAT, CONTENT = "store.json", b'{"format": 1}\n'
"""An object at the root of a remote store, by which access is checked."""
TRIES = 2


class Withdrawn(RootstockError):
    """A result of the remote store was damaged, and is not published any more."""


@dataclass(frozen=True)
class Mirror:
    """url: of the remote store. root: of its copy."""

    url: str
    root: Path

    @property
    def objects(self) -> Objects:
        return Objects(MaskedUrl(self.url))

    def check(self, writing: bool = False) -> None:
        """Check that the store can be reached and read, and written if that is asked for or if it
        is new. One or two requests.

        Raises:
            RootstockError: it cannot; the message says why and what to do.
        """
        try:
            new = self.objects.read(FORMAT) is None
            if new or writing:
                self.objects.write(FORMAT, CONTENT)
        except FileNotFoundError as e:
            raise RootstockError(
                f"{self.url}: the bucket does not exist ({e}). Create it, or correct `store`."
            ) from e

    def find(self, place: Path) -> Entry | None:
        """The published entry with this directory. One request."""
        record = self.objects.read(self._name(place, RECORD))
        mine = read_entry(place, self)
        if record is None:
            # a command that could not upload its result, or was killed before it had
            whole = mine is not None and len(mine.present()) == len(mine.files)
            return self.publish(mine) if mine and whole and not mine.damage() else None
        entry = parse_entry(record, place, self)
        return None if entry is None else self._adopted(entry, record)

    def learn(self, stage: str) -> None:
        """Copy the records of all results of a stage. One listing, and a request for each that is
        not known.
        """
        for name in self.objects.listed(f"{stage}/*/{RECORD}"):
            place = (self.root / name).parent
            if not (place / RECORD).is_file():
                self.find(place)

    def publish(
        self, entry: Entry, instead: Entry | None = None, uploaded: Collection[str] = ()
    ) -> Entry:
        """Upload an entry of the copy. Returns what is published: that of another machine, if it
        was first. instead: an entry that is replaced. uploaded: SHA-256 of parts that are there.
        """
        place = entry.path
        parts = {
            self._part(place, file.sha256): place / output / name
            for output, files in entry.files.items()
            for name, file in files.items()
            if file.sha256 not in uploaded
        }
        record = to_json(entry).encode()
        try:
            self.objects.upload(parts)
            if not self.objects.create(self._name(place, RECORD), record):
                first = self.objects.read(self._name(place, RECORD))
                winner = parse_entry(first, place, self) if first else None
                if first and winner is not None and winner != instead:
                    return self._adopted(winner, first)
                self.objects.write(self._name(place, RECORD), record)  # that one is damaged
        except (RootstockError, FileNotFoundError) as e:
            raise RootstockError(
                f"{e}\n{entry.identity.stage} is done, but its result could not be uploaded. It is"
                f" kept in {place}: the same command uploads it."
            ) from e
        (place / STORED).touch()
        return entry

    def fetch(self, path: Path) -> None:
        """Bring an output to the copy: see `components.artifacts.Origin`.

        Raises:
            Withdrawn: what is in the remote store is damaged.
        """
        if path.is_dir():
            return
        place, name = path.parent, path.name
        entry = read_entry(place, self)
        if entry is None or name not in entry.files:
            raise RootstockError(
                f"{path}: is no longer in the cache. Run the same command again, and do not delete"
                " from the cache meanwhile."
            )
        new = place.parent / f".new-{uuid.uuid4().hex}"
        with named_errors(self.root), held(new) as arriving:
            try:
                self._download(entry, name, arriving / name)
                with contextlib.suppress(OSError):  # another process was first
                    (arriving / name).rename(path)
            finally:
                shutil.rmtree(arriving, ignore_errors=True)
        if not path.is_dir():
            raise RootstockError(f"{path}: cannot be written. Run the same command again.")

    def tree(self, path: Path) -> tuple[Path, Mapping[str, RemoteObject]]:
        """The parts of an output: see `components.artifacts.Origin`."""
        entry = read_entry(path.parent, self)
        files = {} if entry is None else entry.files[path.name]
        url = MaskedUrl(self.url)
        return path, {
            name: RemoteObject(url, self._part(path.parent, file.sha256), file.sha256)
            for name, file in files.items()
        }

    def entry_url(self, place: Path) -> str:
        """The URL of the entry with this directory."""
        return f"{self.url.rstrip('/')}/{place.relative_to(self.root).as_posix()}"

    def _download(self, entry: Entry, output: str, target: Path) -> None:
        place, files = entry.path, entry.files[output]
        damage: list[str] = []
        for _ in range(TRIES):  # an object may be replaced while it is read
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            try:
                self.objects.download(self._parts(place, target, files))
            except FileNotFoundError as e:
                damage = [f"{e} is missing"]
            else:
                _copy_equal(target, files)
                if not (damage := differences(target, files, "digests")):
                    return
        self._withdraw(entry)
        raise Withdrawn(
            f"{self.url}/{self._name(place, output)} is damaged: {shortened(damage)}. Its record"
            " was removed. Run the same command again: that makes it again."
        )

    def _adopted(self, entry: Entry, record: bytes) -> Entry:
        """A published entry, after everything that differs was removed from the copy. record: of
        the entry.
        """
        place = entry.path
        if not _is_copy(place, entry):
            lock = place.with_name(f".new-copy-{place.name}")
            with named_errors(self.root), held(lock):  # other processes find it as it is then
                mine = read_entry(place, self)
                if mine is not None and mine.outputs == entry.outputs and not mine.damage():
                    write_whole(place / RECORD, record)
                else:
                    _replace_copy(place, record)
                lock.rmdir()
        (place / STORED).touch()
        return entry

    def _withdraw(self, entry: Entry) -> None:
        """Remove the record of an entry, unless another one is published now, and its copy."""
        place = entry.path
        record = self.objects.read(self._name(place, RECORD))
        if record is not None and parse_entry(record, place, self) in (None, entry):
            self.objects.remove(self._name(place, RECORD))
        shutil.rmtree(place, ignore_errors=True)

    def _parts(self, place: Path, target: Path, files: Manifest) -> Mapping[str, Path]:
        """The object of each content, and a file that has it."""
        return {self._part(place, file.sha256): target / name for name, file in files.items()}

    def _part(self, place: Path, sha256: str) -> str:
        return self._name(place, f"parts/{sha256}")

    def _name(self, place: Path, name: str) -> str:
        """The name of an object of the entry with this directory."""
        return f"{place.relative_to(self.root).as_posix()}/{name}"


def _is_copy(place: Path, entry: Entry) -> bool:
    """Whether a directory has the record of an entry, and no damaged outputs."""
    mine = read_entry(place, entry.origin)
    return mine is not None and mine == entry and not mine.damage()


def _replace_copy(place: Path, record: bytes) -> None:
    """Make the copy one that has no outputs yet. The old one disappears as a whole."""
    old, new = (place.with_name(f".new-{uuid.uuid4().hex}") for _ in range(2))
    new.mkdir(parents=True)
    write_whole(new / RECORD, record)
    (new / STORED).touch()
    with contextlib.suppress(FileNotFoundError):
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _copy_equal(target: Path, files: Manifest) -> None:
    """Copy the files that have the content of another one, which alone was downloaded."""
    by_content = {file.sha256: name for name, file in files.items()}
    for name, file in files.items():
        if (source := by_content[file.sha256]) != name:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(target / source, target / name)
