from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from components.stage import Context


class Listener:
    """Keeps what a stage says."""

    def __init__(self) -> None:
        self.figures: dict[str, float | int | str] = {}
        self.warnings: list[str] = []
        self.seen: list[tuple[int, int | None, str]] = []
        self.notes: list[str] = []

    def progress(self, done: int, total: int | None, unit: str, note: str = "") -> None:
        self.seen.append((done, total, unit))
        self.notes.append(note)

    def metrics(self, step: int, values: Mapping[str, float]) -> None: ...

    def figure(self, name: str, value: float | int | str) -> None:
        self.figures[name] = value

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture
def new_context(tmp_path: Path) -> Callable[[str], Context]:
    """Makes a context by name; the same name gives the same scratch and a new output."""
    made: list[int] = []

    def make(name: str) -> Context:
        made.append(0)
        output = tmp_path / f"output-{name}-{len(made)}"
        scratch = tmp_path / f"scratch-{name}"
        output.mkdir()
        scratch.mkdir(exist_ok=True)
        return Context(output, scratch, observer=Listener())

    return make
