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


def digest_of(known: Mapping[int, Origin | None], version: int) -> str:
    """The digest of a version's model; "" for one that others put there."""
    origin = known.get(version)
    return origin.digest if origin else ""


def original(known: Mapping[int, Origin | None], version: int) -> int:
    """The version whose content a version has: another one where a rollback made it."""
    origin = known.get(version)
    restores = origin.restores if origin else None
    return version if restores is None or restores >= version else original(known, restores)


def same(known: Mapping[int, Origin | None], one: int, other: int) -> bool:
    """Whether two versions are the same model, as far as is known of them."""
    alike = digest_of(known, one) == digest_of(known, other) != ""
    return alike or original(known, one) == original(known, other)


def previous(known: Mapping[int, Origin | None], version: int) -> int | None:
    """What was there before a version, in the sense of an operator who goes back: the version
    before it of another content; for a version that restores another, what came before that one.
    """
    place = original(known, version)
    for number in sorted((v for v in known if v < place), reverse=True):
        if not same(known, number, version):
            return still_there(known, number)
    return None


def still_there(known: Mapping[int, Origin | None], version: int) -> int:
    """The version to name for the content of one: the original, unless that is gone."""
    first = original(known, version)
    return first if first in known else version


def newest_of(known: Mapping[int, Origin | None], digest: str) -> int | None:
    """The newest version pushed with this digest."""
    return max((v for v, o in known.items() if o and o.digest == digest), default=None)


def served_before(
    known: Mapping[int, Origin | None], digest: str, trials: Collection[int] = ()
) -> int | None:
    """The version served now, of those that are not and were not only on trial; if that is the
    model of this digest, the one before it.
    """
    known = {version: origin for version, origin in known.items() if version not in trials}
    if not known:
        return None
    newest = max(known)
    return previous(known, newest) if digest_of(known, newest) == digest else newest
