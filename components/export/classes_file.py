"""`classes.json` of a SavedModel: the classes of every task that has classes.

They are in the order of the answers. A champion is compared on those tasks whose classes are equal.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from models.tasks.base import TaskTarget

CLASSES = Path("assets.extra") / "classes.json"


def write_classes(targets: Sequence[TaskTarget], saved_model: Path) -> None:
    file = saved_model / CLASSES
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({t.name: t.classes for t in targets if t.classes}, indent=1))


def read_classes(saved_model: Path) -> dict[str, tuple[str, ...]]:
    """Classes by task; empty for a model that another program made."""
    try:
        classes = json.loads((saved_model / CLASSES).read_text())
    except FileNotFoundError:
        return {}
    return {task: tuple(names) for task, names in classes.items()}
