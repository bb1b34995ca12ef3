"""All experts of a model with their numbers, as one function. Importing it imports TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.experts.base import Expert, ExpertInputs
from models.lazy import Tensor, tf
from models.model_files import EXPERTS


class Panel(tf.Module):  # type: ignore[misc]
    """From raw and preprocessed inputs to the margins of all experts, one expert after another.

    Tracks their numbers, so that a SavedModel of it holds them.
    """

    def __init__(
        self, experts: Sequence[Expert], arrays: Mapping[str, Mapping[str, np.ndarray]]
    ) -> None:
        """arrays: by name of the expert and name of the array."""
        super().__init__("experts")
        self.experts = tuple(experts)
        self.state = {
            e.name: {
                name: tf.Variable(values, trainable=False, name=f"{e.name}.{name}")
                for name, values in arrays[e.name].items()
            }
            for e in self.experts
        }

    @property
    def reads_representation(self) -> bool:
        """Whether an expert needs the representation of the trunk."""
        return any(e.reads_representation for e in self.experts)

    @property
    def reads_blocks(self) -> bool:
        """Whether an expert needs the blocks of the trunk."""
        return any(e.reads_blocks for e in self.experts)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def __call__(self, inputs: ExpertInputs) -> Tensor:
        """Float32 [batch, members of all experts x units of all tasks]."""
        margins = [e.margins(self.state[e.name], inputs) for e in self.experts]
        return tf.concat(margins, axis=1)


def save_arrays(arrays: Mapping[str, Mapping[str, np.ndarray]], directory: Path) -> None:
    """Write `experts.npz`: see `models.model_files.EXPERTS`."""
    named = {f"{e}/{n}": values for e, by_name in arrays.items() for n, values in by_name.items()}
    np.savez(directory / EXPERTS, allow_pickle=False, **named)


def read_panel(directory: Path, experts: Sequence[Expert]) -> Panel | None:
    """The experts of a trained model; None if it has none."""
    if not experts:
        return None
    arrays: dict[str, dict[str, np.ndarray]] = {e.name: {} for e in experts}
    with np.load(directory / EXPERTS) as stored:
        for name, values in stored.items():
            expert, _, array = name.partition("/")
            arrays[expert][array] = values
    return Panel(experts, arrays)
