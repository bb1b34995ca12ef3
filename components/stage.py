"""The stage contract: frozen typed parameters, one method from input artifacts to output artifacts.

A stage reads only its inputs, writes only under the directories its `Context` gives it, and is
deterministic given its parameters. What identifies its result is in `pipeline.store.fingerprint`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

I = TypeVar("I", contravariant=True)  # noqa: E741 - inputs, a frozen dataclass of artifacts
O = TypeVar("O", covariant=True)  # noqa: E741 - outputs, a frozen dataclass of artifacts


class Observer(Protocol):
    """What a running stage tells the outside. Nothing it is told changes a result."""

    def progress(self, done: int, total: int | None, unit: str, note: str = "") -> None:
        """`done` of `total` units ("rows", "steps", …) are finished; None means total unknown."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Figures of one step of a series, for example of an epoch."""

    def figure(self, name: str, value: float | int | str) -> None:
        """A main figure of this stage: it is kept with the artifact and shown in the summary."""

    def warn(self, message: str) -> None:
        """Something a person should know although the stage goes on."""


class Silent:
    """An observer that listens to nothing."""

    def progress(self, done: int, total: int | None, unit: str, note: str = "") -> None: ...

    def metrics(self, step: int, values: Mapping[str, float]) -> None: ...

    def figure(self, name: str, value: float | int | str) -> None: ...

    def warn(self, message: str) -> None: ...


@dataclass(frozen=True)
class BeamOptions:
    """Where Beam pipelines run: any runner by name, with its own options as `key=value`."""

    runner: str = "FnApiRunner"
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Context:
    """What a stage may touch besides its inputs. Never part of its fingerprint.

    output: an empty directory; the payload of output field `f` belongs in `output / f`.
    scratch: a directory that survives a crash: the next attempt at the same fingerprint gets the
        same one back, so checkpoints go there. It is removed once the outputs are published.
    """

    output: Path
    scratch: Path
    beam: BeamOptions = BeamOptions()
    observer: Observer = field(default_factory=Silent)


class Stage(ABC, Generic[I, O]):
    """A step of the pipeline. Subclasses are frozen dataclasses whose fields are its parameters.

    depends_on: further modules whose code the result depends on, where no import leads to them: the
        stage starts them as another process, for example.
    """

    depends_on: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def run(self, inputs: I, context: Context) -> O:
        """Turn input artifacts into output artifacts.

        Returns:
            A frozen dataclass of artifacts; that in field `f` has `path == context.output / f`.

        Raises:
            RootstockError: for what the user can mend.
        """

    def uses(self, inputs: I) -> tuple[object, ...]:
        """Dataclasses that the stage reads from its inputs and whose own code it then runs, such as
        the trunk of a trained model. They count as its parameters do when its code is looked up.
        """
        return ()

    def still_valid(self, outputs: object) -> bool:
        """Whether cached outputs still hold: False if an effect outside the store is gone."""
        return True
