"""Version labels: names for versions, such as `stable` and `canary`.

`.labels.json` in a model's directory holds them. The embedded server reads that file; TF Serving
takes the same labels from its configuration. `.label_history.json`, which no server reads, holds
the earlier versions of each label. It is written first: a crash between the two writes leaves the
old labels with a longer history, so nothing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from serving.files import write_atomically

FILE, HISTORY = ".labels.json", ".label_history.json"
STABLE, CANARY = "stable", "canary"


@dataclass(frozen=True)
class Labels:
    """versions: the version of each label.

    earlier: the earlier versions of each label, oldest first. For `stable`, versions that a
        rollback has skipped are left out.
    """

    versions: Mapping[str, int] = field(default_factory=dict)
    earlier: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, versions: str | bytes, earlier: str | bytes) -> Labels:
        """Read the contents of both files; a file that is not in our format counts as empty."""
        return cls(
            {label: v for label, v in _json_object(versions).items() if isinstance(v, int)},
            {
                label: tuple(v for v in numbers if isinstance(v, int))
                for label, numbers in _json_object(earlier).items()
                if isinstance(numbers, list)
            },
        )

    def contents(self) -> dict[str, str]:
        """The contents of both files, in the order in which to write them."""
        return {
            HISTORY: json.dumps(self.earlier, sort_keys=True),
            FILE: json.dumps(self.versions, sort_keys=True),
        }

    def moved(self, label: str, version: int, existing: Collection[int]) -> Labels:
        """These labels, with one of them moved to a version."""
        before = self.versions.get(label, version)
        earlier = self.earlier.get(label, ()) + (() if before == version else (before,))
        return self.changed({**self.versions, label: version}, {label: earlier}, existing)

    def changed(
        self,
        versions: Mapping[str, int],
        earlier: Mapping[str, tuple[int, ...]],
        existing: Collection[int],
    ) -> Labels:
        """Labels at `versions`; labels not in `earlier` keep the earlier versions they have.

        existing: the versions that exist; others are dropped from the history.
        """
        kept = {
            label: tuple(v for v in numbers if v in existing)
            for label, numbers in {**self.earlier, **earlier}.items()
        }
        return Labels(versions, {label: numbers for label, numbers in kept.items() if numbers})


def on_trial(labels: Mapping[str, int]) -> set[int]:
    """The versions that have a label but are not the stable one."""
    return set(labels.values()) - {labels.get(STABLE)}


def read_labels(directory: Path) -> Labels:
    """The labels in a model's directory; none if there are no such files."""
    return Labels.parse(*(_text(directory / name) for name in (FILE, HISTORY)))


def write_labels(directory: Path, labels: Labels) -> None:
    """Replace all labels in a model's directory. The caller holds its lock."""
    for name, content in labels.contents().items():
        write_atomically(directory / name, content)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _json_object(text: str | bytes) -> dict[str, object]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
