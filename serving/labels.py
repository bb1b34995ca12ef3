"""Version labels: names for versions, such as `stable` and `canary`, in `.labels.json` of a model's
directory. The embedded server reads the file; TF Serving is told the same in its configuration.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

FILE = ".labels.json"
STABLE, CANARY = "stable", "canary"


def on_trial(labels: Mapping[str, int]) -> set[int]:
    """The versions that have a label, and not that of the stable one."""
    return set(labels.values()) - {labels.get(STABLE)}


def read(directory: Path) -> dict[str, int]:
    """The version of each label; empty where there are none."""
    try:
        told = json.loads((directory / FILE).read_text())
        return {str(label): int(version) for label, version in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write(directory: Path, labels: dict[str, int]) -> None:
    """Replace all labels at once. The caller holds the lock of `serving.layout`."""
    written = directory / f"{FILE}.new"
    with written.open("w") as file:
        json.dump(dict(sorted(labels.items())), file)
        file.flush()
        os.fsync(file.fileno())
    written.replace(directory / FILE)
