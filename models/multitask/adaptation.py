"""Applies a transfer mode to the trunk of a model while it trains."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from models.lazy import keras
from models.optimizers.variable_rates import VariableRate
from models.transfer.base import Phase, Plan, Transfer, TransferError
from models.transfer.frozen import Frozen
from models.trunks.layers.attention_pooling import new_variables
from models.trunks.layers.hub_module import why_frozen

if TYPE_CHECKING:
    from models.multitask.parts import MultitaskParts


class Adaptation:
    """Carries out the plan of a transfer mode. Without a mode, the whole trunk trains.

    phases, notes, undecayed, pairs: see `Plan`.
    """

    def __init__(self, transfer: Transfer | None, model: MultitaskParts) -> None:
        """Prepare a model that has its pretrained weights.

        Raises:
            TransferError: the mode does not fit the trunk.
        """
        self.transfer, self.model = transfer, model
        trunk = model.trunk
        for graft in model.grafts:
            graft.trainable = False
        before = tuple(trunk.trainable_variables)
        plan = Plan((Phase(0, before),))
        if transfer is not None:
            _freeze_statistics(trunk)
            plan = transfer.plan(trunk)
        if not isinstance(transfer, Frozen | None):
            plan = with_new(plan, new_variables(trunk))
        for graft in model.grafts:
            graft.trainable = True
        grafted = {id(v) for graft in model.grafts for v in graft.weights}
        self._of_trunk = {id(v) for v in (*trunk.weights, *plan.added)} - grafted
        trained: dict[int, int] = {}
        for phase in plan.phases:
            for v in phase.variables:
                trained.setdefault(id(v), phase.start)
        self.pairs = plan.pairs
        before_phases = plan.pairs.variables if plan.pairs else ()
        if not (trained or before_phases or isinstance(transfer, Frozen | None)):
            reason = why_frozen(trunk) or "the trunk has no weights that could train"
            raise TransferError(f"{transfer.name}: {reason}. Choose `transfer: frozen`.")
        self.phases, self.notes, self.undecayed = plan.phases, plan.notes, plan.undecayed
        self._rates, self._first_epochs = plan.rates, trained
        self._added = len(plan.added)
        self._candidates = (*before, *plan.added)
        """The variables of the trunk that may train in some phase."""
        self._constant = {id(v) for v in self._candidates if id(v) not in trained}
        if not trained:
            self._constant |= self._of_trunk

    @property
    def trains_everything(self) -> bool:
        """Whether all variables of the trunk train in all epochs, and no others are added."""
        built, trained = {id(v) for v in self._candidates}, [p.variables for p in self.phases]
        return self._added == 0 and all({id(v) for v in some} == built for some in trained)

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables of the model that train in some phase, always in the same order."""
        others = [v for v in self.model.trainable_variables if id(v) not in self._of_trunk]
        return [v for v in self._candidates if id(v) in self._first_epochs] + others

    @property
    def changing(self) -> list[keras.Variable]:
        """The variables of the model that training may change, always in the same order."""
        return [v for v in self.model.variables if id(v) not in self._constant]

    def variable_rates(self, steps_per_epoch: int) -> list[VariableRate]:
        """How each of `variables` trains."""
        rate, epoch = self._rates.get, self._first_epochs.get
        ids = [id(v) for v in self.variables]
        return [VariableRate(rate(i, 1.0), epoch(i, 0) * steps_per_epoch) for i in ids]

    def enter(self, phase: Phase) -> None:
        """Begin a phase: of the trunk, only its variables train. If it has none, the trunk runs in
        inference mode.
        """
        training = {id(v) for v in phase.variables}
        for v in self._candidates:
            v.trainable = id(v) in training
        self.model.trunk_trains = bool(training) or self.transfer is None

    def finish(self) -> None:
        """Restore the architecture of the trunk, with the adapted weights."""
        if self.transfer is not None:
            self.transfer.finish(self.model.trunk)
        for v in self._candidates:
            v.trainable = True


def with_new(plan: Plan, new: tuple[keras.Variable, ...]) -> Plan:
    """The plan where variables that were not pretrained train in all phases, as heads do."""
    if not new:
        return plan
    ids = {id(v) for v in new}
    phases = tuple(
        Phase(p.start, (*(v for v in p.variables if id(v) not in ids), *new)) for p in plan.phases
    )
    rates = {i: rate for i, rate in plan.rates.items() if i not in ids}
    return replace(plan, phases=phases, rates=rates)


def _freeze_statistics(trunk: keras.Model) -> None:
    """Let batch normalisation use its pretrained statistics; its scale and offset may train."""
    for layer in trunk._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            _run_in_inference_mode(layer)


def _run_in_inference_mode(layer: keras.Layer) -> None:
    call = layer.call

    def in_inference_mode(inputs, training=None, mask=None):  # type: ignore[no-untyped-def]
        return call(inputs, training=False, mask=mask)

    layer.call = in_inference_mode
