"""The parts of a multitask model and the way forward through them. Imports TensorFlow.

Training is not here: `models.multitask.train_step` and what it calls work on these parts.
"""

from __future__ import annotations

import numpy as np

from models.balancing.base import (
    Balancing,
    GradientBalancer,
    GradientBalancing,
    GramianBalancing,
    LossBalancer,
)
from models.balancing.math.smoothing import Smoothed
from models.inputs.base import Feature
from models.inputs.representation import REPRESENTATION
from models.lazy import keras
from models.multitask.batch_losses import Tensors
from models.sharing.base import Sharing, Widths, check_balancing
from models.sharing.layers.base import SharingLayer
from models.tasks.base import TaskTarget
from models.tasks.heads.head import Head, head_for
from models.trunks.base import Trunk


class MultitaskParts(keras.Model):  # type: ignore[misc]
    """Trunk, sharing, heads and balancing method of a model.

    heads: one per task, in the order of the tasks.
    trunk: from features to a representation. common: from there to what the towers share; None
        where they share the representation. towers: from there to every task's raw outputs.
    grafts: the layers that the sharing scheme adds.
    trunk_trains: whether the trunk leaves inference mode while the model trains.
    at_parameters: whether a method that balances gradients takes them at shared parameters.
    gradients_meet: where gradients of different tasks can be compared: see `Sharing`.
    """

    def __init__(
        self,
        features: tuple[Feature, ...],
        targets: tuple[TaskTarget, ...],
        trunk: Trunk,
        sharing: Sharing,
        balancing: Balancing,
    ) -> None:
        super().__init__(name="multitask")
        check_balancing(sharing, balancing)
        names = tuple(t.name for t in targets)
        shared = sharing.build(lambda: trunk.build(features), names)
        self.heads = tuple(head_for(t) for t in targets)
        self.trunk, self.common = shared.trunk, shared.common
        self.trunk_trains = True
        self.towers = _with_heads(shared.branches, sharing.towers, self.heads)
        self.grafts = tuple(la for la in self._flatten_layers() if isinstance(la, SharingLayer))
        self.balancer = _smoothed(balancing, targets)
        self.at_parameters = (
            isinstance(balancing, GradientBalancing) and balancing.at == "parameters"
        )
        self.gradients_meet = "parameters" if self.at_parameters else sharing.gradients_meet
        if isinstance(self.balancer, GradientBalancer):
            shapes = [p.shape[1:] for p in self.towers.inputs]
            if self.at_parameters:
                shapes = [v.shape for v in self.shared_variables({})]
            self.balancer.prepare(sum(int(np.prod(shape)) for shape in shapes))
        self.balancing_variables = self.balancer.variables
        self.built = True

    def call(self, features: Tensors, training: bool = False) -> dict[str, keras.KerasTensor]:
        """Raw outputs by task."""
        outputs: dict[str, keras.KerasTensor] = self.towers(
            self.represent(features, training), training=training
        )
        return outputs

    def represent(self, features: Tensors, training: bool = False) -> keras.KerasTensor:
        """What the towers share: a tensor or a list of tensors [batch, ...]. The trunk makes it of
        the features, unless its output is there, as the feature `representation`.
        """
        if REPRESENTATION in features:
            representation = features[REPRESENTATION]
        else:
            representation = self.trunk(features, training=training and self.trunk_trains)
        if self.common is None:
            return representation
        return self.common(representation, training=training)

    def shared_variables(self, features: Tensors) -> list[keras.Variable]:
        """The trainable variables that `represent` uses for such features, but for those that serve
        one task alone.
        """
        parts = [] if REPRESENTATION in features else [self.trunk]
        parts += [] if self.common is None else [self.common]
        private = {id(v) for graft in self.grafts if graft.private for v in graft.weights}
        return [v for part in parts for v in part.trainable_variables if id(v) not in private]

    def answers(self, features: Tensors) -> dict[str, keras.KerasTensor]:
        """What is served, float32 [batch, units] by task: probabilities, or values in the label's
        own unit.
        """
        outputs = self(features, training=False)
        return {h.target.name: h.answer(outputs[h.target.name]) for h in self.heads}

    def count_params(self) -> int:
        """Of what is served: the balancing method's state is not."""
        state = sum(int(np.prod(v.shape)) for v in self.balancer.variables)
        return int(super().count_params()) - state

    def gate_figures(self) -> dict[str, float]:
        """What the layers of the sharing scheme report after an epoch."""
        return {name: value for graft in self.grafts for name, value in graft.figures().items()}

    def load_weights_from(self, arrays: list[np.ndarray]) -> None:
        """Set `weights`, in order.

        Raises:
            ValueError: they are not the weights of such a model.
        """
        given, expected = [a.shape for a in arrays], [tuple(w.shape) for w in self.weights]
        if given != expected:
            raise ValueError(f"Expected weights of shapes {expected}. Received: {given}")
        self.set_weights(arrays)


def _smoothed(
    balancing: Balancing, targets: tuple[TaskTarget, ...]
) -> LossBalancer | GradientBalancer:
    if isinstance(balancing, GramianBalancing) and balancing.smoothing:
        return Smoothed(balancing.build(targets), balancing.smoothing, targets)
    return balancing.build(targets)


def _with_heads(branches: keras.Model, widths: Widths, heads: tuple[Head, ...]) -> keras.Model:
    """From what tasks share to raw outputs, which stay float32 in mixed precision.

    widths: units of the layers between a branch and its head.
    """
    layers, outputs = keras.layers, {}
    for head in heads:
        name = head.target.name
        x = branches.output[name]
        for i, width in enumerate(widths):
            x = layers.Dense(width, activation="relu", name=f"{name}.tower{i}")(x)
        outputs[name] = layers.Dense(head.units, dtype="float32", name=f"{name}.head")(x)
    return keras.Model(branches.input, outputs, name="towers")
