"""Work of `map_units` in workers that do not share this machine's disk.

Everything goes through the URL of the entry that the stage makes. Workers write files to
`parts/<SHA-256>`, which is where the entry has them, and then the result of their unit to
`work/<name>/<index>.pickle`, with the names of its files. This process lists these results to
report progress, and fetches them.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.beam.packing import Packing
from components.beam.unpacking import Place, place
from components.data.atomic import write_whole
from components.data.digests import digest_file
from components.data.objects import Objects
from components.errors import DISK_FULL, RootstockError
from components.stage import WORK, Context, Remote
from models.masked_url import MaskedUrl

DONE, FAILED, FILES = ".pickle", ".failed", ".files"
"""Suffixes: of the result of a unit, of its error, and of the list of files that it wrote."""
PARTS = "parts"


def result_file(index: int) -> str:
    return f"{index:05d}{DONE}"


@dataclass(frozen=True)
class ByUrl:
    """Calls packed work on a packed unit, and leaves what it gives below a URL.

    kept: keys of copies that several units need.
    """

    work: bytes
    url: str
    name: str
    kept: frozenset[str]

    def __call__(self, item: tuple[int, bytes], model: object = None) -> None:
        """model: for work that needs one; it may be the error of loading it."""
        index, packed = item
        suffix = DONE
        with place(self.kept) as here:
            try:
                if isinstance(model, RootstockError):
                    raise model
                work, unit = here.loaded(self.work), here.loaded(packed)
                result = work(index, unit, *([] if model is None else [model]))
                files = self._uploaded(here)
            except (RootstockError, OSError) as error:
                suffix, files, result = FAILED, {}, _known(error, here)
        content = pickle.dumps((pickle.dumps(result), files))
        name = result_file(index).removesuffix(DONE)
        Objects(MaskedUrl(self.url)).write(f"{WORK}/{self.name}/{name}{suffix}", content)

    def _uploaded(self, here: Place) -> dict[str, str]:
        """The SHA-256 of each file that work wrote, by its name in the scratch directory."""
        files = {
            path.relative_to(here.scratch).as_posix(): path
            for path in sorted(here.scratch.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }
        digests = {name: digest_file(path) for name, path in files.items()}
        parts = {f"{PARTS}/{digests[name]}": path for name, path in files.items()}
        Objects(MaskedUrl(self.url)).upload(parts)
        return digests


@dataclass(frozen=True)
class PackedLoad:
    """Loads a packed model. Its files stay until the process ends."""

    load: bytes

    def __call__(self) -> object:
        with tempfile.TemporaryDirectory() as scratch:
            here = Place(Path(scratch))
            try:
                return here.loaded(self.load)()
            except RootstockError as error:
                raise RootstockError(here.named_as_there(str(error))) from error


class Exchange:
    """In this process: packs work and units, and fetches their results.

    results: the directory for them.
    """

    def __init__(self, name: str, results: Path, context: Context, remote: Remote) -> None:
        self.name, self.results, self.url = name, results, remote.url
        self.objects = Objects(MaskedUrl(f"{remote.url}/{WORK}/{name}"))
        self.packing = Packing(context, remote)
        remote.work.add(name)

    def begin(self) -> None:
        """Fetch the results of an interrupted attempt, also of another machine."""
        self.objects.remove_all([n for n in self.objects.listed() if n.endswith(FAILED)])
        self.look()

    def packed(
        self,
        units: Sequence[tuple[int, Any]],
        work: Callable[..., Any],
        load: Callable[[], object] | None,
    ) -> tuple[list[tuple[int, bytes]], ByUrl, PackedLoad | None]:
        """What a pipeline of workers elsewhere needs."""
        items = [(index, self.packing.packed(unit)) for index, unit in units]
        kept = {key for key, uses in self.packing.uses.items() if uses > 1}
        self.packing.uses.clear()
        own = self.packing.packed(work)
        loader = None if load is None else PackedLoad(self.packing.packed(load))
        kept |= self.packing.uses.keys()
        return items, ByUrl(own, self.url, self.name, frozenset(kept)), loader

    def look(self) -> None:
        """Fetch the results that are there and are not here yet."""
        there = [name for name in self.objects.listed() if name.endswith((DONE, FAILED))]
        wanted = [name for name in there if not (self.results / name).exists()]
        with tempfile.TemporaryDirectory(dir=self.results, prefix=".arriving-") as arriving:
            files = {name: Path(arriving, name) for name in wanted}
            with contextlib.suppress(FileNotFoundError):  # another machine was faster, and is done
                self.objects.download(files)
            for name, file in files.items():
                if not file.exists():
                    continue
                result, written = pickle.loads(file.read_bytes())
                if written:
                    listing = (self.results / name).with_suffix(FILES)
                    write_whole(listing, json.dumps(written))
                write_whole(self.results / name, result)


def fetch_files(results: Path, context: Context, remote: Remote) -> None:
    """Bring the files that workers wrote for these results into the scratch directory.

    Raises:
        RootstockError: a file is missing in the store, or damaged.
    """
    written: dict[str, str] = {}
    for listing in sorted(results.glob(f"*{FILES}")):
        written |= json.loads(listing.read_text())
    first = {sha256: context.scratch / name for name, sha256 in reversed(written.items())}
    wanted = {f"{PARTS}/{sha256}": file for sha256, file in first.items()}
    try:
        Objects(MaskedUrl(remote.url)).download(wanted)
    except FileNotFoundError as e:
        raise _lost(f"{e} is missing", results, remote) from e
    for sha256, file in first.items():
        if digest_file(file) != sha256:
            problem = f"{remote.url}/{PARTS}/{sha256} has another content"
            raise _lost(problem, results, remote)
        remote.uploaded.add(sha256)
    for name, sha256 in written.items():
        if (file := context.scratch / name) != first[sha256]:
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(first[sha256], file)


def forget_elsewhere(results: Path) -> None:
    """Remove the results of an attempt by URL whose files are not on this machine."""
    for listing in results.glob(f"*{FILES}"):
        listing.with_suffix(DONE).unlink(missing_ok=True)
        listing.unlink()


def finish(remote: Remote) -> None:
    """Remove what only the running stage needs. If that fails, it is left."""
    if remote.work:
        with contextlib.suppress(RootstockError):
            forget(remote)


def forget(remote: Remote, name: str = "") -> None:
    """Remove what attempts left by URL, so that none goes on from it: all, or results of a name.

    Raises:
        RootstockError: the store cannot be written.
    """
    below = Objects(MaskedUrl(f"{remote.url}/{WORK}/{name}".rstrip("/")))
    below.remove_all(list(below.listed()))


def _lost(problem: str, results: Path, remote: Remote) -> RootstockError:
    """The error, after the results were removed, here and in the store."""
    shutil.rmtree(results)
    forget(remote, results.name)
    return RootstockError(
        f"What workers wrote is lost: {problem}. Nothing was published. Run the same command again."
    )


def _known(error: RootstockError | OSError, here: Place) -> RootstockError:
    """An error that only the user can fix. Others are raised again: Beam repeats such work."""
    if isinstance(error, RootstockError):
        return RootstockError(here.named_as_there(str(error)))
    if error.errno not in DISK_FULL:
        raise error
    where = f"{socket.gethostname()}, {tempfile.gettempdir()}"
    return RootstockError(
        f"A worker has no space left on its disk ({where}: {os.strerror(error.errno or 0)}). Free"
        " some, or name another directory in its TMPDIR, and run the same command again. Finished"
        " units are kept."
    )
