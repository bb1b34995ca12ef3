"""Version labels: names for versions, such as `stable` and `canary`, in `.labels.json` of a model's
directory. The embedded server reads the file; TF Serving is told the same in its configuration.

Which versions had a label before is in `.label_history.json`, which no server reads. Both are
replaced at once each, the history first: with the older labels beside it nothing is lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FILE, HISTORY = ".labels.json", ".label_history.json"
STABLE, CANARY = "stable", "canary"


@dataclass(frozen=True)
class Labels:
    """versions: the version of each label.

    earlier: the versions that had it before, oldest first. Of `stable` those that a rollback has
        gone back over are left out.
    """

    versions: Mapping[str, int] = field(default_factory=dict)
    earlier: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, versions: str | bytes, earlier: str | bytes) -> Labels:
        """From the contents of both files; nothing where one is not what we write."""
        return cls(
            {label: int(v) for label, v in _object(versions).items() if isinstance(v, int)},
            {
                label: tuple(v for v in held if isinstance(v, int))
                for label, held in _object(earlier).items()
                if isinstance(held, list)
            },
        )

    def contents(self) -> dict[str, str]:
        """Of both files, in the order to write them in."""
        return {
            HISTORY: json.dumps(self.earlier, sort_keys=True),
            FILE: json.dumps(self.versions, sort_keys=True),
        }

    def moved(self, label: str, version: int, known: Collection[int]) -> Labels:
        """With a label at a version. known: the versions there; others are no longer remembered."""
        before = self.versions.get(label, version)
        held = self.earlier.get(label, ()) + (() if before == version else (before,))
        return self.changed({**self.versions, label: version}, {label: held}, known)

    def changed(
        self,
        versions: Mapping[str, int],
        earlier: Mapping[str, tuple[int, ...]],
        known: Collection[int],
    ) -> Labels:
        """With these versions; of labels that `earlier` does not name, the earlier ones stay."""
        there = {
            label: tuple(v for v in held if v in known)
            for label, held in {**self.earlier, **earlier}.items()
        }
        return Labels(versions, {label: held for label, held in there.items() if held})


def on_trial(labels: Mapping[str, int]) -> set[int]:
    """The versions that have a label, and not that of the stable one."""
    return set(labels.values()) - {labels.get(STABLE)}


def read(directory: Path) -> dict[str, int]:
    """The version of each label; empty where there are none."""
    return dict(read_all(directory).versions)


def read_all(directory: Path) -> Labels:
    """The labels, and the versions that had them before."""
    return Labels.parse(*(_text(directory / name) for name in (FILE, HISTORY)))


def write(directory: Path, labels: Labels) -> None:
    """Replace all labels at once. The caller holds the lock of `serving.versions.directory`."""
    for name, content in labels.contents().items():
        written = directory / f"{name}.new"
        with written.open("w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        written.replace(directory / name)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""


def _object(text: str | bytes) -> dict[str, object]:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
