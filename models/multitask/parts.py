"""The parts of a multitask model and its forward pass. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.balancing.base import (
    Balancing,
    GradientBalancer,
    GradientBalancing,
    GramianBalancing,
    LossBalancer,
)
from models.balancing.math.smoothing import Smoothed
from models.calibration.base import Calibration
from models.experts.margins import MARGINS
from models.inputs.base import Feature
from models.inputs.representation import REPRESENTATION
from models.layer_names import scope_of
from models.lazy import keras
from models.multitask.answering import Answering
from models.multitask.batch_losses import Tensors
from models.multitask.fusion import Fusion
from models.multitask.last_word import LastWord
from models.sharing.base import Sharing, Widths, check_balancing
from models.sharing.layers.base import SharingLayer
from models.tasks.base import TaskTarget
from models.tasks.heads.head import Head, head_for
from models.trunks.base import Trunk
from models.trunks.layers.joined import JoinedTrunks, members_in, representation_of
from models.trunks.layers.members import mean_of_members


class MultitaskParts(keras.Model):  # type: ignore[misc]
    """Trunk, sharing scheme, heads and balancing method of a model.

    heads: one per task, in the order of the tasks.
    trunk: from features to the trunk's output. common: from that to the representation that the
        towers share; None if they share the trunk's output. towers: from the representation to the
        raw outputs of all tasks.
    calibrations: by task, what makes its probabilities right as often as they say. radii: by task,
        how far its intervals or sets reach.
    members: predictors in the trunk's output, [batch * members, width]; their mean is the answer.
    grafts: the layers that the sharing scheme adds.
    fusion: adds what the experts say to the trunk's output; None without experts, and where a
        scheme splits trunks into stages. last_word: the stack of network and experts. margins: the
        column of what the experts say; empty without experts.
    trunk_trains: whether the trunk runs in training mode while the model trains.
    at_parameters: whether a gradient-based method takes gradients at shared parameters.
    gradients_meet: where gradients of different tasks can be compared: see `Sharing`.
    """

    def __init__(
        self,
        features: tuple[Feature, ...],
        targets: tuple[TaskTarget, ...],
        trunk: Trunk,
        sharing: Sharing,
        balancing: Balancing,
        experts: tuple[str, ...] = (),
    ) -> None:
        super().__init__(name="multitask")
        check_balancing(sharing, balancing)
        self._scopes = {scope_of(t.name): t.name for t in targets}
        shared = sharing.build(lambda: trunk.build(features), tuple(self._scopes))
        self.heads = tuple(head_for(t) for t in targets)
        self.features = features
        self.trunk, self.common = shared.trunk, shared.common
        self.members = members_in(self.trunk)
        self.calibrations: Mapping[str, Calibration] = {}
        self.radii: Mapping[str, float] = {}
        self.trunk_trains = True
        self.last_word = LastWord({h.target.name: h.units for h in self.heads}, experts)
        self.fusion: Fusion | None = None
        self.margins = self.last_word.margins
        for column in () if isinstance(self.trunk.output, list) else self.margins:
            self.fusion = Fusion(self.trunk.output.shape[-1], column.width)
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
        """Raw outputs by task: the mean of the members."""
        outputs = self.towers(self.represent(features, training), training=training)
        return {task: mean_of_members(x, self.members) for task, x in outputs.items()}

    def represent(self, features: Tensors, training: bool = False) -> keras.KerasTensor:
        """The representation that the towers share: a tensor or a list of tensors
        [batch * members, ...].

        features: if they hold the trunk's output under the name `REPRESENTATION`, the trunk does
            not run. Its members lie side by side there, [batch, members * width]. If the trunk
            consists of parts, it is the output of the fixed ones, and the others run. With experts
            they hold their margins under the name `MARGINS`.
        """
        output = features.get(REPRESENTATION)
        if output is None or isinstance(self.trunk, JoinedTrunks):
            output = self._trunk_output(features, training and self.trunk_trains)
        elif self.members > 1:
            output = keras.ops.reshape(output, (-1, self.trunk.output.shape[-1]))
        if self.fusion is not None:
            output = self.fusion(output, keras.ops.repeat(features[MARGINS], self.members, axis=0))
        return output if self.common is None else self.common(output, training=training)

    def encode(self, features: Tensors) -> keras.KerasTensor:
        """What the trunk, or its fixed parts, compute of each row, [batch, members * width]: see
        `represent`.
        """
        if isinstance(self.trunk, JoinedTrunks):
            return self.trunk.fixed_output(features)
        output = self._trunk_output(features, training=False)
        return keras.ops.reshape(output, (-1, self.members * output.shape[-1]))

    def _trunk_output(self, features: Tensors, training: bool) -> keras.KerasTensor:
        return representation_of(self.trunk, self.features, features, training)

    def shared_variables(self, features: Tensors) -> list[keras.Variable]:
        """The trainable variables that `represent` uses for these features, without those that
        belong to one task only.
        """
        stored = REPRESENTATION in features and not isinstance(self.trunk, JoinedTrunks)
        parts = [] if stored else [self.trunk]
        parts += [part for part in (self.fusion, self.common) if part is not None]
        private = {id(v) for graft in self.grafts if graft.private for v in graft.weights}
        return [v for part in parts for v in part.trainable_variables if id(v) not in private]

    def raw_outputs(self, features: Tensors) -> dict[str, keras.KerasTensor]:
        """Raw outputs [batch, units] by task, of the last word. A network without weight in it is
        not computed.
        """
        network = None if self.last_word.without_network else self(features, training=False)
        combined: dict[str, keras.KerasTensor] = self.last_word(network, features.get(MARGINS))
        return combined

    def answers(self, features: Tensors) -> dict[str, keras.KerasTensor]:
        """The served answers, float32 [batch, units] by task: probabilities, or values in the unit
        of the label.
        """
        outputs = self.raw_outputs(features)
        return {h.target.name: self.calibrated(h, outputs[h.target.name]) for h in self.heads}

    def details(self, features: Tensors) -> dict[str, keras.KerasTensor]:
        """The answers, and what else is known of each row: see `Answering.details`."""
        return self.answering.details(self.raw_outputs(features))

    @property
    def answering(self) -> Answering:
        """From raw outputs to what is served."""
        return Answering(self.heads, self.calibrations, self.radii)

    def calibrated(self, head: Head, outputs: keras.KerasTensor) -> keras.KerasTensor:
        """What is served of the raw outputs of a head."""
        return self.answering.calibrated(head, outputs)

    def count_params(self) -> int:
        """Parameters of the served model, without the state of the balancing method."""
        state = sum(int(np.prod(v.shape)) for v in self.balancer.variables)
        return int(super().count_params()) - state

    def gate_figures(self) -> dict[str, float]:
        """The figures that layers of the sharing scheme report after an epoch."""
        figures = [item for graft in self.grafts for item in graft.figures().items()]
        return {self._with_task_names(key): value for key, value in figures}

    def _with_task_names(self, key: str) -> str:
        for scope, name in self._scopes.items():
            key = key if scope == name else key.replace(scope, name)
        return key

    def load_weights_from(self, arrays: list[np.ndarray]) -> None:
        """Set `weights`, in order.

        Raises:
            ValueError: the arrays do not have the shapes of the weights.
        """
        received, expected = [a.shape for a in arrays], [tuple(w.shape) for w in self.weights]
        if received != expected:
            raise ValueError(
                f"Expected weights of shapes {expected}. Received: {received}. A model from an"
                " earlier version has to be trained again."
            )
        self.set_weights(arrays)


def _smoothed(
    balancing: Balancing, targets: tuple[TaskTarget, ...]
) -> LossBalancer | GradientBalancer:
    if isinstance(balancing, GramianBalancing) and balancing.smoothing:
        return Smoothed(balancing.build(targets), balancing.smoothing, targets)
    return balancing.build(targets)


def _with_heads(branches: keras.Model, widths: Widths, heads: tuple[Head, ...]) -> keras.Model:
    """A model from the shared representation to raw outputs, which are float32 in mixed precision
    too.

    widths: units of the layers between a branch and its head.
    """
    layers, outputs = keras.layers, {}
    for head in heads:
        scope = scope_of(head.target.name)
        x = branches.output[scope]
        for i, width in enumerate(widths):
            x = layers.Dense(width, activation="relu", name=f"{scope}.tower{i}")(x)
        last = layers.Dense(head.units, dtype="float32", name=f"{scope}.head")
        outputs[head.target.name] = last(x)
    return keras.Model(branches.input, outputs, name="towers")
