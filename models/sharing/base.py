"""Interface of sharing schemes: one or more trunks give one representation per task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.balancing.base import Balancing, GradientBalancing
from models.config import STRICT
from models.lazy import Tensor, keras

Widths = tuple[Annotated[int, Field(ge=1)], ...]
"""Units of consecutive dense layers."""

MakeTrunk = Callable[[], "keras.Model"]
"""Returns a new trunk with its own weights."""


@dataclass(frozen=True)
class Shared:
    """The parts of a model before its heads: trunk, then common layers, then one branch per task.

    A balancing method takes one gradient per task at the inputs of the branches, so that one
    backward pass through the shared parts serves all tasks.

    trunk: from {feature name: [batch, ...]} to a representation [batch, width], or to a list of
        tensors if the scheme splits trunks into stages.
    common: layers that tasks share, from the trunk's output to a list of tensors; may be None.
    branches: from there to {task name: [batch, width]}.
    """

    trunk: keras.Model
    branches: keras.Model
    common: keras.Model | None = None


@dataclass(frozen=True, kw_only=True)
class Sharing(ABC):
    """The spec of a sharing scheme: a frozen dataclass with a literal `name`, one per file.

    towers: units of the dense layers that each task has for itself, before its head.

    one_trunk: whether the scheme starts from the output of one whole trunk. Such an output can be
        computed in advance, and such a trunk can be published and reused.
    gradients_meet: where per-task gradients share a common tensor; None if they never do.
    """

    __pydantic_config__ = STRICT
    one_trunk: ClassVar[bool] = True
    gradients_meet: ClassVar[Literal["representation", "parameters"] | None] = "representation"
    name: str
    towers: Widths = ()

    @abstractmethod
    def build(self, make_trunk: MakeTrunk, tasks: tuple[str, ...]) -> Shared:
        """Build the trunks that the scheme needs, and the layers between them and the heads.

        Raises:
            ValueError: the scheme cannot split a trunk of this kind into stages.
        """


def check_balancing(sharing: Sharing, balancing: Balancing) -> None:
    """Check that the method balances gradients at a tensor that the tasks share.

    Raises:
        ValueError: they share none, or another one.
    """
    if not isinstance(balancing, GradientBalancing) or sharing.gradients_meet == "representation":
        return
    if sharing.gradients_meet is None:
        raise ValueError(
            f"balancing {balancing.name} compares the tasks' gradients of shared weights, but with"
            f" sharing {sharing.name} tasks share no weights. Choose a loss-based method or another"
            " sharing."
        )
    if balancing.at != sharing.gradients_meet:
        raise ValueError(
            f"balancing {balancing.name}: with sharing {sharing.name}, tasks share no"
            f" {balancing.at}. Set `at: {sharing.gradients_meet}`."
        )


def representation_input(trunk: keras.Model) -> Tensor:
    """A symbolic input with the shape of the trunk's output."""
    return keras.Input(trunk.output.shape[1:], name="representation")


def branch_inputs(tasks: tuple[str, ...], ends: list[Tensor]) -> dict[str, Tensor]:
    """A symbolic input for each task with the shape of the trunk output for this task."""
    return {
        task: keras.Input(end.shape[1:], name=f"{task}_end")
        for task, end in zip(tasks, ends, strict=True)
    }


def weighted_sum(weights: Tensor, parts: Tensor) -> Tensor:
    """Weighted sum of parts [batch, parts, width] with weights [batch, parts]: [batch, width]."""
    return keras.ops.einsum("bp,bpw->bw", weights, parts)
