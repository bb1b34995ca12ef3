"""What is compiled, and what an orchestrator makes of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field

from models.discovery import methods
from pipeline.spec.orchestration import Orchestration, Resources


@dataclass(frozen=True)
class Task:
    """One task of an orchestrator. stages: that it may run; those before it are cached then.

    arguments: of `rootstock run SPEC`, for this task.
    """

    name: str
    stages: tuple[str, ...]
    arguments: tuple[str, ...]
    resources: Resources = field(default_factory=Resources)


@dataclass(frozen=True)
class Compilation:
    """A spec as tasks that run one after another.

    spec: its YAML, for a file that may lie in any folder. data: the default of `${DATA}`; None if
        the spec does not use it. spans: the keys `data.sources.<number>.spans` of its sources with
        spans. notes: what the user should know, on every orchestrator.
    """

    name: str
    spec: str
    data: str | None
    spans: tuple[str, ...]
    tasks: tuple[Task, ...]
    settings: Orchestration
    notes: tuple[str, ...]


class Target(ABC):
    """An orchestrator. Subclasses are frozen dataclasses with a literal `name`."""

    name: str
    suffix: str
    """What follows the name of the spec in the name of the file."""

    @abstractmethod
    def compiled(self, what: Compilation) -> str:
        """The content of the file. It is the same for the same spec.

        Parameters of a run, on every orchestrator: `spec`, `overrides` (a list of `a.b=value`, as
        for `--set`), and `data` and `spans` where the spec has them.

        Raises:
            RootstockError: a package or a key of `orchestration` is missing.
        """

    def notes(self, what: Compilation) -> Iterable[str]:
        """What the file does not contain, and has to be done otherwise. One sentence each."""
        return ()


def targets() -> dict[str, type[Target]]:
    """The orchestrators by name."""
    return methods("pipeline.orchestrators", Target)
