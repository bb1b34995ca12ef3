"""The versions of a model and their origins.

Each version that we push holds `assets.extra/rootstock.json` with its origin; TF Serving ignores
that file. Versions that other programs put there have no such file.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from serving import manifest
from serving.manifest import Depth, Manifest

LARGEST_VERSION = 2**63 - 1
_DIGITS = re.compile("[0-9]+", re.ASCII)
_log = logging.getLogger(__name__)
FILE = Path("assets.extra") / "rootstock.json"


@dataclass(frozen=True)
class Origin:
    """Where a version comes from.

    digest: of the pushed model. pushed_at: ISO 8601, UTC.
    restores: if a rollback made this version, the version whose content it has.
    files: all files of the version but this one; None if that was not recorded.
    """

    digest: str
    pushed_at: str = ""
    restores: int | None = None
    files: Manifest | None = None

    @classmethod
    def now(cls, digest: str, restores: int | None = None, files: Manifest | None = None) -> Origin:
        """The origin of a version made at this moment."""
        return cls(digest, datetime.now(UTC).isoformat(timespec="seconds"), restores, files)

    @classmethod
    def parse(cls, text: str | bytes) -> Origin | None:
        """Read the content of the file; None if it is not in our format."""
        try:
            fields = json.loads(text)
            pushed_at = str(fields.get("pushed_at", ""))
            files = fields.get("files")
            known = None if files is None else manifest.from_json(files)
            return cls(str(fields["digest"]), pushed_at, fields.get("restores"), known)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def to_json(self) -> str:
        """The content of the file."""
        files = None if self.files is None else manifest.to_json(self.files)
        return json.dumps({**vars(self), "files": files}) + "\n"


History = Mapping[int, Origin | None]
"""The origin of each existing version, ascending; None for versions of other programs."""


def read_origin(version: Path) -> Origin | None:
    """The origin of a version directory; None if another program put it there."""
    try:
        return Origin.parse((version / FILE).read_bytes())
    except OSError:
        return None


def damage(version: Path, depth: Depth) -> list[str]:
    """How a version directory differs from what was pushed, one phrase for each file.

    Empty if it does not, or if nothing tells what was pushed. Files that were added do not count:
    no server reads them.
    """
    origin = read_origin(version)
    if origin is None or origin.files is None:
        return []
    return manifest.differences(version, origin.files, depth, extra=False)


def version_numbers(directory: Path) -> list[int]:
    """The versions in a model's directory, ascending; empty if there is no such directory."""
    return list(version_paths(directory))


def version_paths(directory: Path) -> dict[int, Path]:
    """The directory of each version of a model, ascending by number.

    As in TF Serving, a name may have leading zeros (`00000123`); if two names mean one number, the
    last one in alphabetical order counts. A number that does not fit into 64 bits is no version:
    the log says so, once.
    """
    try:
        entries = sorted(e for e in directory.iterdir() if _DIGITS.fullmatch(e.name) and e.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    paths: dict[int, Path] = {}
    for entry in entries:
        number = version_number(entry.name)
        if number is None:
            _ignored(str(entry), f"the largest version number is {LARGEST_VERSION}")
            continue
        if number in paths:
            _ignored(str(paths[number]), f"{entry} is version {number}, too")
        paths[number] = entry
    return dict(sorted(paths.items()))


def version_number(name: str) -> int | None:
    """The version that a directory of this name holds; None if it is no version."""
    digits = name.lstrip("0") or "0"
    if not _DIGITS.fullmatch(name) or len(digits) > len(str(LARGEST_VERSION)):
        return None
    return number if (number := int(digits)) <= LARGEST_VERSION else None


def version_path(directory: Path, version: int) -> Path:
    """The directory of a version, which need not exist."""
    return version_paths(directory).get(version, directory / str(version))


def next_version(taken: Iterable[int]) -> int:
    """The number after these.

    Raises:
        OSError: there is no larger one.
    """
    largest = max(taken, default=0)
    if largest >= LARGEST_VERSION:
        raise OSError(f"There is no version number after {largest}. Remove that version.")
    return largest + 1


@cache
def _ignored(path: str, reason: str) -> None:
    """Log that a directory is ignored, once: servers look every second."""
    _log.warning("%s is ignored: %s.", path, reason)


def read_history(directory: Path) -> dict[int, Origin | None]:
    """The origins of all versions in a model's directory, ascending."""
    return {number: read_origin(path) for number, path in version_paths(directory).items()}


def digest_of(history: History, version: int) -> str:
    """The digest of a version's model; "" if another program put it there."""
    origin = history.get(version)
    return origin.digest if origin else ""


def original_version(history: History, version: int) -> int:
    """The version that was pushed with this content: for a rollback, the one that it restores."""
    origin = history.get(version)
    if origin is None or origin.restores is None or origin.restores >= version:
        return version
    return original_version(history, origin.restores)


def original_if_kept(history: History, version: int) -> int:
    """The original version, or this one if the original has been deleted."""
    original = original_version(history, version)
    return original if original in history else version


def same_model(history: History, one: int, other: int) -> bool:
    """Whether two versions hold the same model, as far as their origins tell."""
    same_digest = digest_of(history, one) == digest_of(history, other) != ""
    return same_digest or original_version(history, one) == original_version(history, other)


def previous_model(history: History, version: int) -> int | None:
    """The version of the model that was pushed before this one; None if there is none.

    For a version made by a rollback, that is the model before the restored one. Example: 1, 2 and
    3 are pushed and version 4 restores 2; the previous model of 4 is 1, not 3.
    """
    original = original_version(history, version)
    for number in sorted((v for v in history if v < original), reverse=True):
        if not same_model(history, number, version):
            return original_if_kept(history, number)
    return None


def champion_version(
    history: History, candidate_digest: str, trials: Collection[int] = ()
) -> int | None:
    """The version that a candidate model is compared with; None if there is none.

    That is the version served now or, if the candidate itself is served now, the model before it.
    Versions in `trials` do not count.
    """
    served = {version: origin for version, origin in history.items() if version not in trials}
    newest = max(served, default=None)
    if newest is not None and digest_of(served, newest) == candidate_digest:
        return previous_model(served, newest)
    return newest
