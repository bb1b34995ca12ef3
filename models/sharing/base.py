"""What a sharing scheme is: one or more trunks, joined to a representation for each task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.balancing.base import Balancing, GradientBalancing
from models.lazy import keras

Widths = tuple[Annotated[int, Field(ge=1)], ...]
"""Units of dense layers that follow each other."""


@dataclass(frozen=True)
class Shared:
    """The parts of a model before its heads.

    The cut before the branches is where a balancing method takes one gradient per task: one pass
    back through all that tasks share then serves every task.

    trunk: from {feature name: [batch, ...]} to a representation [batch, width], or to a list of
        tensors where the scheme takes trunks apart.
    common: what tasks share beyond the trunk, from what the trunk gives to a list of tensors; None
        for nothing.
    branches: from there to {task name: [batch, width]}.
    """

    trunk: keras.Model
    branches: keras.Model
    common: keras.Model | None = None


@dataclass(frozen=True, kw_only=True)
class Sharing(ABC):
    """How tasks share trunks: a frozen dataclass with a literal `name`, in a file of its own.

    towers: units of dense layers that each task has to itself, before its head.
    one_trunk: whether the scheme begins where a whole trunk, built once, ends: what such a trunk
        gives can be computed beforehand, published and reused.
    gradients_meet: the first place, seen from the tasks, where the gradients of several are of the
        same numbers; None if they never are.
    """

    one_trunk: ClassVar[bool] = True
    gradients_meet: ClassVar[Literal["representation", "parameters"] | None] = "representation"
    name: str
    towers: Widths = ()

    @abstractmethod
    def build(self, make_trunk: Callable[[], keras.Model], tasks: tuple[str, ...]) -> Shared:
        """Join as many trunks as the scheme needs to one representation per task.

        make_trunk: a new trunk, of weights of its own, each time.

        Raises:
            ValueError: the trunk is not of a kind that the scheme can take apart.
        """


def check_balancing(sharing: Sharing, balancing: Balancing) -> None:
    """Refuse to balance gradients where they do not meet.

    Raises:
        ValueError: see above.
    """
    if not isinstance(balancing, GradientBalancing) or sharing.gradients_meet == "representation":
        return
    if sharing.gradients_meet is None:
        raise ValueError(
            f"balancing {balancing.name} looks at gradients of several tasks by the same weights,"
            f" and sharing {sharing.name} has no such weights. Choose a method that looks at"
            " losses, or another sharing."
        )
    if balancing.at != sharing.gradients_meet:
        raise ValueError(
            f"balancing {balancing.name}: with sharing {sharing.name}, tasks have no common"
            f" {balancing.at}: set `at: {sharing.gradients_meet}`."
        )


def representation_of(trunk: keras.Model) -> keras.KerasTensor:
    """A symbolic input for what a trunk gives."""
    return keras.Input(trunk.output.shape[1:], name="representation")


def ends_of(tasks: tuple[str, ...], ends: list[keras.KerasTensor]) -> dict[str, keras.KerasTensor]:
    """A symbolic input for what the trunk gives to each task."""
    return {
        task: keras.Input(end.shape[1:], name=f"{task}_end")
        for task, end in zip(tasks, ends, strict=True)
    }


def weighted_sum(weights: keras.KerasTensor, parts: keras.KerasTensor) -> keras.KerasTensor:
    """[batch, width], of weights [batch, parts] and parts [batch, parts, width]."""
    return keras.ops.einsum("bp,bpw->bw", weights, parts)
