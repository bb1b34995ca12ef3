"""The contract of a stage: frozen typed parameters, and one method from inputs to outputs.

A stage reads only its inputs, writes only to the directories of its `Context`, and is deterministic
given inputs and parameters. `pipeline.store.fingerprint` computes the key of its result.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

I = TypeVar("I", contravariant=True)  # noqa: E741 - inputs, a frozen dataclass of artifacts
O = TypeVar("O", covariant=True)  # noqa: E741 - outputs, a frozen dataclass of artifacts


class Observer(Protocol):
    """Receives reports of a running stage. It cannot influence the result."""

    def progress(self, done: int, total: int | None, unit: str, note: str = "") -> None:
        """`done` of `total` units ("rows", "steps", …) are finished; None if unknown."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Figures of one step of a series, for example of one epoch."""

    def figure(self, name: str, value: float | int | str) -> None:
        """A main figure of the stage, which is stored with the result and shown in the summary."""

    def warn(self, message: str) -> None:
        """A problem that the user should know about, although the stage continues."""


class Silent:
    """An observer that ignores all reports."""

    def progress(self, done: int, total: int | None, unit: str, note: str = "") -> None: ...

    def metrics(self, step: int, values: Mapping[str, float]) -> None: ...

    def figure(self, name: str, value: float | int | str) -> None: ...

    def warn(self, message: str) -> None: ...


@dataclass(frozen=True)
class BeamOptions:
    """The Beam runner, by name, and its options as `key=value`."""

    runner: str = "FnApiRunner"
    options: tuple[str, ...] = ()

    @property
    def elsewhere(self) -> bool:
        """Whether workers may be on machines that do not share this one's disk."""
        return self.runner != BeamOptions.runner


WORK = "work"
"""A folder below the URL of an entry, for what only the running stage needs."""


@dataclass(frozen=True)
class Remote:
    """Of a stage whose store is behind a URL: where workers on other machines find its inputs and
    leave its results, and where it keeps its checkpoints.

    url: of the entry that the stage makes.
    inputs: the artifacts of `components.artifacts` that it reads.
    uploaded: SHA-256 of what workers have written to `parts` below the URL.
    work: names of what is in `WORK` below the URL.
    """

    url: str
    inputs: tuple[Any, ...]
    uploaded: set[str] = field(default_factory=set)
    work: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Context:
    """What a stage may access besides its inputs. It is never part of a fingerprint.

    output: an empty directory. The artifact of output field `f` belongs in `output / f`.
    scratch: a directory for checkpoints. It survives a crash: the next attempt with the same
        fingerprint gets the same directory. It is removed when the outputs are published.
    ends: when work with a limit of time has to be over, as of `time.monotonic`, also if its limit
        is later because it was interrupted.
    remote: the entry in a store behind a URL; None if the store is a directory.
    """

    output: Path
    scratch: Path
    beam: BeamOptions = BeamOptions()
    observer: Observer = field(default_factory=Silent)
    ends: float = math.inf
    remote: Remote | None = None

    @property
    def by_url(self) -> Remote | None:
        """How workers get at files without the disk of this machine; None if they share it."""
        return self.remote if self.beam.elsewhere else None


class Stage(ABC, Generic[I, O]):
    """A step of the pipeline. Subclasses are frozen dataclasses whose fields are its parameters.

    depends_on: further modules whose code the result depends on, although no import leads to them;
        for example, modules that the stage starts as another process.

    on_all_workers: whether workers that train together run it at the same time.
    """

    depends_on: ClassVar[tuple[str, ...]] = ()
    on_all_workers: ClassVar[bool] = False

    @abstractmethod
    def run(self, inputs: I, context: Context) -> O:
        """Turn input artifacts into output artifacts.

        Returns:
            A frozen dataclass of artifacts. The one in field `f` has `path == context.output / f`.

        Raises:
            RootstockError: a problem that the user can solve.
        """

    def uses(self, inputs: I) -> tuple[object, ...]:
        """Dataclasses in the inputs whose own code the stage runs, such as the trunk of a trained
        model. Their code is part of the fingerprint, as the code of parameters is.
        """
        return ()

    def still_valid(self, outputs: object) -> bool:
        """Whether cached outputs can be used; False if an effect outside of the store is gone."""
        return True
