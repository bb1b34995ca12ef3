"""A transfer mode at work on the trunk of a model that trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.lazy import keras
from models.optimizers.per_variable_rates import Pace
from models.transfer.base import Phase, Plan, Transfer, TransferError
from models.transfer.frozen import Frozen
from models.trunks.layers.hub_module import why_frozen

if TYPE_CHECKING:
    from models.multitask.parts import MultitaskParts


class Adaptation:
    """Carries out the plan of a mode, or lets the whole trunk train where there is none.

    phases, notes: see `Plan`.
    """

    def __init__(self, transfer: Transfer | None, model: MultitaskParts) -> None:
        """Prepare the model, which has its pretrained weights.

        Raises:
            TransferError: the mode does not fit the trunk.
        """
        self.transfer, self.model = transfer, model
        trunk = model.trunk
        for graft in model.grafts:
            graft.trainable = False
        before = tuple(trunk.trainable_variables)
        if transfer is None:
            plan = Plan((Phase(0, before),))
        else:
            _keep_statistics(trunk)
            plan = transfer.plan(trunk)
        for graft in model.grafts:
            graft.trainable = True
        grafted = {id(v) for graft in model.grafts for v in graft.weights}
        self._of_trunk = {id(v) for v in (*trunk.weights, *plan.added)} - grafted
        trained: dict[int, int] = {}
        for phase in plan.phases:
            for v in phase.variables:
                trained.setdefault(id(v), phase.start)
        if not trained and not isinstance(transfer, Frozen | None):
            reason = why_frozen(trunk) or "the trunk has no weights that could train"
            raise TransferError(f"{transfer.name}: {reason}. Choose `transfer: frozen`.")
        self.phases, self.notes = plan.phases, plan.notes
        self._rates, self._first_epochs = plan.rates, trained
        self._added = len(plan.added)
        self._candidates = (*before, *plan.added)
        """Whatever of the trunk may train in some phase."""
        self._constant = {id(v) for v in self._candidates if id(v) not in trained}
        if not trained:
            self._constant |= self._of_trunk

    @property
    def whole(self) -> bool:
        """Whether the trunk trains as it was built, all of it all the time."""
        built = {id(v) for v in self._candidates}
        return self._added == 0 and all(
            {id(v) for v in phase.variables} == built for phase in self.phases
        )

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables of the model that train in some phase, in a fixed order."""
        others = [v for v in self.model.trainable_variables if id(v) not in self._of_trunk]
        return [v for v in self._candidates if id(v) in self._first_epochs] + others

    @property
    def changing(self) -> list[keras.Variable]:
        """The variables of the model that training may change, in a fixed order."""
        return [v for v in self.model.variables if id(v) not in self._constant]

    def paces(self, steps_per_epoch: int) -> list[Pace]:
        """How each of `variables` trains."""
        return [
            Pace(self._rates.get(id(v), 1.0), self._first_epochs.get(id(v), 0) * steps_per_epoch)
            for v in self.variables
        ]

    def enter(self, phase: Phase) -> None:
        """Let the variables of a phase train, and no others of the trunk; where none does, the
        trunk runs in inference mode.
        """
        training = {id(v) for v in phase.variables}
        for v in self._candidates:
            v.trainable = id(v) in training
        self.model.trunk_trains = bool(training) or self.transfer is None

    def finish(self) -> None:
        """Leave the trunk as it is built, with the adapted weights."""
        if self.transfer is not None:
            self.transfer.finish(self.model.trunk)
        for v in self._candidates:
            v.trainable = True


def _keep_statistics(trunk: keras.Model) -> None:
    """Have batch normalisation run in inference mode, although its scale and offset may train."""
    for layer in trunk._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            _without_training(layer)


def _without_training(layer: keras.Layer) -> None:
    call = layer.call

    def in_inference_mode(inputs, training=None, mask=None):  # type: ignore[no-untyped-def]
        return call(inputs, training=False, mask=mask)

    layer.call = in_inference_mode
