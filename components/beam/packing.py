"""Values whose paths mean the same files in workers that do not share this machine's disk.

A path in a value, as a `Path` or as a text, is pickled as a reference (`persistent_id`) if it is
the path of an input of the stage or is in its scratch directory. Loading it gives a path of the
worker: of a copy that was fetched by URL, or in a scratch directory of its own.

Inputs with an origin are fetched from there. Other files of this machine are sent to the store
first; there may be few of them only.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.artifacts import Artifact, RemoteObject, SourceFiles
from components.data import reads
from components.data.digests import digest_file, digest_range
from components.data.objects import Objects
from components.data.raw_files import matching
from components.data.reads import Range, Reads, too_large
from components.errors import RootstockError
from components.stage import WORK, Context, Remote
from models.masked_url import MaskedUrl

Ranges = tuple[Range, ...]
Narrowed = Mapping[Path, Mapping[str, Ranges]]
"""What is read of some directories: files, and of each the bytes; all of them if empty."""
SENT = f"{WORK}/sent"
"""Where copies of files of this machine are, below the URL of the stage's entry."""


@dataclass(frozen=True)
class InScratch:
    """A path in the scratch directory. directory: whether it is one."""

    inside: str
    directory: bool
    as_text: bool


@dataclass(frozen=True)
class Piece:
    """The bytes [start, stop) of a file, with their SHA-256."""

    start: int
    stop: int
    sha256: str


@dataclass(frozen=True)
class Content:
    """The content of a file. pieces: what is needed of it, if that is not all. size: of the file,
    if there are pieces.
    """

    object: RemoteObject
    pieces: tuple[Piece, ...] = ()
    size: int = 0


@dataclass(frozen=True)
class InInput:
    """A path at or below a directory of inputs.

    root: the directory on the machine that packed it. files: what is needed of it, by name.
    """

    root: str
    inside: str
    files: tuple[tuple[str, Content], ...]
    as_text: bool

    @property
    def key(self) -> str:
        """Equal for the same files of the same directory."""
        parts = [self.root, *(f"{name}\0{c.object.sha256}\0{c.pieces}" for name, c in self.files)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


class Packing:
    """Packs the work and the units of one call of `map_units`."""

    def __init__(self, context: Context, remote: Remote) -> None:
        self.scratch, self.remote = context.scratch, remote
        self.trees: dict[Path, dict[str, RemoteObject | Path]] = {}
        """By directory: the files of inputs in it, by name. A path is that of a file to send."""
        self.whole = {artifact.place for artifact in remote.inputs}
        """Directories that are inputs as a whole. Of others, units say which files they read."""
        for artifact in remote.inputs:
            root, files = _tree(artifact)
            self.trees.setdefault(root, {}).update(files)
        self.uses: Counter[str] = Counter()
        """How many packed values refer to some files, by `InInput.key`."""
        self._sent: dict[Path, str] = {}
        self._digests: dict[tuple[Path, int, int], str] = {}

    def packed(self, value: object) -> bytes:
        """The pickled value.

        Raises:
            RootstockError: it refers to more files of this machine than are sent.
        """
        stream = io.BytesIO()
        pickler = _Pickler(stream, self)
        pickler.dump(value)
        self.uses.update({reference.key for reference in pickler.references})
        return stream.getvalue()

    def reference(self, path: Path, as_text: bool, narrowed: Narrowed) -> Any:
        """What a path refers to; None if it is neither of an input nor of the scratch directory."""
        if path.is_relative_to(self.scratch):
            inside = path.relative_to(self.scratch).as_posix()
            return InScratch(inside, path.is_dir(), as_text)
        for root in self._roots_of(path):
            files, inside = self.trees[root], path.relative_to(root).as_posix()
            if path in narrowed:
                needed = {_joined(inside, name): ranges for name, ranges in narrowed[path].items()}
            elif path == root and path not in self.whole:
                continue
            else:
                needed = {n: () for n in files if f"{n}/".startswith(_joined(inside, ""))}
            if names := sorted(needed.keys() & files.keys()):
                contents = [self._content(root / n, files[n], needed[n]) for n in names]
                return InInput(str(root), inside, tuple(zip(names, contents, strict=True)), as_text)
        return None

    def check(self, directory: Path, names: Iterable[str]) -> None:
        """Check that workers can get files of a directory. Missing files are the reader's matter.

        Raises:
            RootstockError: a file does not belong to an input.
        """
        for root in self._roots_of(directory):
            inside = directory.relative_to(root).as_posix()
            for name in names:
                if _joined(inside, name) not in self.trees[root] and (directory / name).exists():
                    raise RootstockError(
                        f"{directory / name}: is not part of its source, so workers of the runner"
                        " cannot fetch it. Expected files in the folder of the source."
                    )

    def _roots_of(self, path: Path) -> list[Path]:
        """The directories of inputs that a path is in, the innermost first."""
        roots = [root for root in self.trees if path.is_relative_to(root)]
        return sorted(roots, key=lambda root: -len(root.parts))

    def _content(self, here: Path, file: RemoteObject | Path, ranges: Ranges) -> Content:
        """here: the file on this machine. One that was sent is small, and is fetched as a whole."""
        found = self._object(file)
        if not ranges or not isinstance(file, RemoteObject):
            return Content(found)
        pieces = tuple(Piece(a, b, self._digest(here, a, b)) for a, b in ranges)
        return Content(found, pieces, here.stat().st_size)

    def _digest(self, here: Path, start: int, stop: int) -> str:
        """Of bytes of a file. All of its units need those of a header."""
        if (place := (here, start, stop)) not in self._digests:
            self._digests[place] = digest_range(here, start, stop)
        return self._digests[place]

    def _object(self, file: RemoteObject | Path) -> RemoteObject:
        """Where a file is, after it was sent if it is one of this machine."""
        if isinstance(file, RemoteObject):
            return file
        if file not in self._sent:
            total = sum(path.stat().st_size for path in (*self._sent, file))
            if total > reads.MOST_SENT:
                raise RootstockError(too_large(str(file), total))
            sha256 = digest_file(file)
            Objects(MaskedUrl(self.remote.url)).upload({f"{SENT}/{sha256}": file})
            self._sent[file] = sha256
        sha256 = self._sent[file]
        return RemoteObject(MaskedUrl(self.remote.url), f"{SENT}/{sha256}", sha256)


class _Pickler(pickle.Pickler):
    def __init__(self, stream: io.BytesIO, packing: Packing) -> None:
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self.packing = packing
        self.narrowed: defaultdict[Path, dict[str, Ranges]] = defaultdict(dict)
        self.references: set[InInput] = set()

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, Reads):
            directory, names = value.files_read()
            self.packing.check(Path(directory), names)
            wanted, ranges = self.narrowed[Path(directory)], value.bytes_read()
            for name in names:
                own = tuple(ranges.get(name, ()))
                wanted[name] = united(own, wanted.get(name, own))
            return None  # its fields are next
        as_text = type(value) is str
        if not isinstance(value, Path) and not (as_text and value.startswith("/")):
            return None
        reference = self.packing.reference(Path(value), as_text, self.narrowed)
        if isinstance(reference, InInput):
            self.references.add(reference)
        return reference and pickle.dumps(reference)  # as bytes: texts in it are no references


def united(a: Ranges, b: Ranges) -> Ranges:
    """The bytes of either, in order; () is all of a file."""
    if not a or not b:
        return ()
    found: list[Range] = []
    for start, stop in sorted((*a, *b)):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return tuple(found)


def _joined(inside: str, name: str) -> str:
    return name if inside == "." else f"{inside}/{name}"


def _tree(artifact: Artifact) -> tuple[Path, Mapping[str, RemoteObject | Path]]:
    """A directory, and the files in it that are those of an artifact."""
    if artifact.origin is not None:
        return artifact.origin.tree(artifact.place)
    place = artifact.place
    raw = artifact.raw if isinstance(artifact, SourceFiles) else None
    root, names = matching(place)
    if raw is not None:  # it may read more files than its path matches
        files = [Path(file) for file in raw.state()]
        names = [f.relative_to(root).as_posix() for f in files if f.is_relative_to(root)]
    return root, {name: root / name for name in names}
