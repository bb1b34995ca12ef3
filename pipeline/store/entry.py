"""A published result: its record `artifact.json`, and the directory of its outputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from components.artifacts import Origin
from pipeline.store.fingerprint import Identity
from pipeline.store.integrity import damage
from serving import manifest
from serving.manifest import Manifest

T = TypeVar("T")
RECORD = "artifact.json"
NO_RECORD = f"{RECORD} is missing, or cannot be read"


@dataclass(frozen=True)
class Entry:
    """The content of `artifact.json` of a published result, and its directory.

    outputs: type and digest of each output. files: the files of each output.
    origin: where outputs come from that are not in the directory; None if all must be there.
    """

    identity: Identity
    outputs: Mapping[str, Mapping[str, str]]
    files: Mapping[str, Manifest]
    figures: Mapping[str, float | int | str]
    seconds: float
    created: float
    versions: Mapping[str, str]
    path: Path
    origin: Origin | None = field(default=None, compare=False)

    def load(self, outputs_type: type[T]) -> T:
        """The outputs as typed artifacts."""
        types = get_type_hints(outputs_type)
        outputs = {
            name: types[name](self.path / name, output["digest"], origin=self.origin)
            for name, output in self.outputs.items()
        }
        return outputs_type(**outputs)

    def output(self, name: str) -> Path:
        """The directory of an output."""
        if self.origin is not None:
            self.origin.fetch(self.path / name)
        return self.path / name

    def damage(self, whole: bool = False) -> list[str]:
        """How its files differ from what was published, one phrase for each; empty if they do not.

        whole: read also files whose times have not changed since they were last read.
        """
        return damage(self.path, {name: self.files[name] for name in self.present()}, whole)

    def present(self) -> list[str]:
        """The outputs that must be in the directory, or are there as copies of a remote store."""
        return [n for n in self.files if self.origin is None or (self.path / n).is_dir()]


def read_entry(path: Path, origin: Origin | None = None) -> Entry | None:
    """The entry in a directory; None if it has no record, or one that is damaged."""
    try:
        return parse_entry((path / RECORD).read_bytes(), path, origin)
    except OSError:
        return None


def parse_entry(record: bytes, path: Path, origin: Origin | None = None) -> Entry | None:
    """The entry of a record, with the directory `path`; None if the record is damaged."""
    try:
        content: dict[str, Any] = json.loads(record)
        if content.pop("checksum") != _checksum(content):
            return None
        content["identity"] = Identity(**content["identity"])
        files = {name: manifest.from_json(m) for name, m in content["files"].items()}
        return Entry(**{**content, "files": files, "path": path, "origin": origin})
    except (ValueError, TypeError, LookupError, AttributeError):
        return None


def is_of_earlier_version(path: Path) -> bool:
    """Whether the record in a directory is whole, but of a version that did not list files."""
    try:
        fields = json.loads((path / RECORD).read_text()).keys()
        return {"identity", "outputs"} <= fields and not {"files", "checksum"} & fields
    except (OSError, ValueError, AttributeError):
        return False


def to_json(entry: Entry) -> str:
    """The record of an entry."""
    recorded = [f.name for f in fields(entry) if f.name not in ("path", "origin")]
    content = {
        **{name: getattr(entry, name) for name in recorded},
        "identity": asdict(entry.identity),
        "files": {name: manifest.to_json(m) for name, m in entry.files.items()},
    }
    return json.dumps({**content, "checksum": _checksum(content)}, indent=1)


def _checksum(content: Mapping[str, Any]) -> str:
    """Of a record without its checksum, as JSON writes and reads it."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
