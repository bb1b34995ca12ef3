"""The versions in a model's directory, and where each comes from.

`assets.extra/rootstock.json` inside a version says it; TF Serving reads nothing of that name.
Versions that others put there have no such file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

FILE = Path("assets.extra") / "rootstock.json"


@dataclass(frozen=True)
class Origin:
    """digest: of the model that was pushed. pushed_at: ISO 8601, UTC.

    restores: the version whose content this is, where a rollback made it.
    """

    digest: str
    pushed_at: str = ""
    restores: int | None = None

    @classmethod
    def now(cls, digest: str, restores: int | None = None) -> Origin:
        """Of a version made at this moment."""
        return cls(digest, datetime.now(UTC).isoformat(timespec="seconds"), restores)

    @classmethod
    def parse(cls, text: str | bytes) -> Origin | None:
        """From the file's content; None if it is not what we write."""
        try:
            told = json.loads(text)
            return cls(str(told["digest"]), str(told.get("pushed_at", "")), told.get("restores"))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def to_json(self) -> str:
        """The file's content."""
        return json.dumps(asdict(self)) + "\n"


def origin_of(version: Path) -> Origin | None:
    """The origin of a version directory; None for one that others put there."""
    try:
        return Origin.parse((version / FILE).read_bytes())
    except OSError:
        return None


def numbers(directory: Path) -> list[int]:
    """The versions that are there, ascending; none if there is no such directory."""
    try:
        names = [e.name for e in directory.iterdir() if e.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(name) for name in names if re.fullmatch("[0-9]+", name))


def history(directory: Path) -> dict[int, Origin | None]:
    """The origins of all versions, ascending."""
    return {v: origin_of(directory / str(v)) for v in numbers(directory)}


def previous(known: Mapping[int, Origin | None], version: int) -> int | None:
    """What was served before a version, in the sense of an operator who goes back: the version
    before it of another content; for a version that restores another, what came before that one.
    """
    origin = known.get(version)
    if origin is not None and origin.restores is not None and origin.restores < version:
        return previous(known, origin.restores)
    digest = origin.digest if origin else None
    for number in sorted((v for v in known if v < version), reverse=True):
        other = known[number]
        if other is None or digest is None or other.digest != digest:
            return other.restores if other and other.restores in known else number
    return None


def newest_of(known: Mapping[int, Origin | None], digest: str) -> int | None:
    """The newest version pushed with this digest."""
    return max((v for v, o in known.items() if o and o.digest == digest), default=None)


def served_before(
    known: Mapping[int, Origin | None], digest: str, trials: Collection[int] = ()
) -> int | None:
    """The version served now, of those that are not on trial; if that is the model of this digest,
    the one before it.
    """
    known = {version: origin for version, origin in known.items() if version not in trials}
    if not known:
        return None
    newest = max(known)
    origin = known[newest]
    return previous(known, newest) if origin and origin.digest == digest else newest
