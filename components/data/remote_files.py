"""Raw files behind a URL, and their copies in the cache, which is what readers read.

An object is downloaded when it is new or has changed: when the size, the entity tag, the generation
or the time that its store lists for it differ from those of the copy. Its digest is that of its
content, as for a file, so results do not depend on where files are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.artifacts import RemoteObject
from components.data.atomic import new_beside, write_whole
from components.data.cache import cache
from components.data.digests import combined, digest_file, digest_source, states
from components.data.objects import Objects
from components.data.raw_files import matching
from components.errors import RootstockError
from models.masked_url import MaskedUrl

INDEX = ".index.json"
"""Beside the copies: size and version of each object, and the digest of its content."""
VERSION = (
    *("ETag", "etag", "generation", "md5Hash", "content_settings"),
    *("LastModified", "last_modified", "updated", "mtime", "created"),
)
"""What stores list of an object that changes when it is written; each has some of them."""
TRIES = 3


@dataclass(frozen=True)
class RemoteFiles:
    """An object, the objects below a URL, or those that match a glob pattern. See
    `components.artifacts.Raw` and, for `fetch`, `components.artifacts.Origin`.
    """

    path: MaskedUrl

    @property
    def origin(self) -> RemoteFiles:
        return self

    @property
    def copy(self) -> Path:
        """The path of the copy: of a file, a directory or a pattern, as in the URL."""
        return self._directory / self._split()[1]

    def digest(self, index: Path | None) -> str:
        """The digest of the content. index: None compares the copies, else the remote objects."""
        if index is None:
            return digest_source(str(self.copy), None)
        listed = self._listed()
        known = self._index()
        if {name: version for name, (version, _) in known.items()} != listed:
            known = self.update()
        (self._directory / INDEX).touch()  # the time of the last use
        return self._combined({name: digest for name, (_, digest) in known.items()})

    def state(self) -> Mapping[str, Sequence[int]]:
        """The state of the copies: the remote objects may change while they are read."""
        base, names = matching(self.copy)
        return states(base, names)

    def fetch(self, path: Path) -> None:
        """Make the copies, unless all are there. path: of the copy."""
        index = self._index()
        if not index or any(not (self._directory / name).is_file() for name in index):
            self.update()

    def tree(self, path: Path) -> tuple[Path, Mapping[str, RemoteObject]]:
        """The copies and their objects: see `components.artifacts.Origin`."""
        url = MaskedUrl(self._split()[0])
        digests = {name: digest for name, (_, digest) in self._index().items()}
        return self._directory, {n: RemoteObject(url, n, sha256) for n, sha256 in digests.items()}

    @property
    def _directory(self) -> Path:
        place = hashlib.sha256(self.path.reveal().encode()).hexdigest()[:16]
        return cache() / "sources" / place

    def _split(self) -> tuple[str, str]:
        """The URL of a directory, and what it is about in there: a name or a pattern."""
        url = self.path.reveal().rstrip("/")
        start = re.match(r"[^*?\[]*/", url)
        base = start[0].rstrip("/") if start else url
        return (url, "") if base.endswith(":") else (base, url[len(base) + 1 :])

    def _listed(self) -> dict[str, str]:
        """The version of each object, by its name below `_directory`. One listing.

        Raises:
            RootstockError: there are no objects.
        """
        base, rest = self._split()
        objects = Objects(MaskedUrl(base))
        if re.search(r"[*?\[]", rest):
            found = objects.listed(rest)
        else:
            inside = Objects(MaskedUrl(f"{base}/{rest}" if rest else base)).listed()
            found = {"/".join(filter(None, (rest, n))): info for n, info in inside.items()}
        visible = {
            name: json.dumps([info.get("size"), *(str(info.get(key, "")) for key in VERSION)])
            for name, info in found.items()
            if not any(part.startswith(".") for part in name.split("/"))
        }
        if not visible:
            raise RootstockError(
                f"{self.path}: does not exist. Expected an object, a folder with objects or a glob"
                " pattern that some match."
            )
        return visible

    def update(self) -> dict[str, list[str]]:
        """Make the copies what the objects are, and return the index.

        Raises:
            RootstockError: objects keep changing.
        """
        base, _ = self._split()
        objects, directory = Objects(MaskedUrl(base)), self._directory
        for _ in range(TRIES):
            before, index = self._listed(), self._index()
            wanted = [
                name
                for name, version in before.items()
                if index.get(name, [""])[0] != version or not (directory / name).is_file()
            ]
            arriving = {name: new_beside(directory / name) for name in wanted}
            try:
                objects.download(arriving)
                if self._listed() != before:
                    continue
                fresh = {n: [before[n], digest_file(file)] for n, file in arriving.items()}
                for name, file in arriving.items():
                    file.replace(directory / name)
            except FileNotFoundError:
                continue
            finally:
                for file in arriving.values():
                    file.unlink(missing_ok=True)
            for name in index.keys() - before.keys():
                (directory / name).unlink(missing_ok=True)
            index = {name: fresh.get(name) or index[name] for name in before}
            write_whole(directory / INDEX, json.dumps(index))
            return index
        raise RootstockError(
            f"{self.path}: objects changed while they were read, {TRIES} times. Expected objects"
            " that stay as they are during a run: wait until they are complete, and run the same"
            " command again."
        )

    def _index(self) -> dict[str, list[str]]:
        try:
            content: Any = json.loads((self._directory / INDEX).read_text())
            return {str(name): [str(v), str(d)] for name, (v, d) in content.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def _combined(self, digests: Mapping[str, str]) -> str:
        """As `digest_source` combines them: names are relative to the directory."""
        _, rest = self._split()
        if list(digests) == [rest]:
            return digests[rest]
        return combined({name.removeprefix(f"{rest}/"): d for name, d in digests.items()})
