"""Applies a transfer mode to the trunk of a model while it trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.lazy import keras
from models.multitask.planning import plan_of
from models.optimizers.variable_rates import VariableRate
from models.transfer.base import Phase, Transfer
from models.trunks.layers.joined import parts_of

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
        plan = plan_of(transfer, trunk)
        for graft in model.grafts:
            graft.trainable = True
        grafted = {id(v) for graft in model.grafts for v in graft.weights}
        self._of_trunk = {id(v) for v in (*trunk.weights, *plan.added)} - grafted
        trained: dict[int, int] = {}
        for phase in plan.phases:
            for v in phase.variables:
                trained.setdefault(id(v), phase.start)
        self.pairs = plan.pairs
        self.phases, self.notes, self.undecayed = plan.phases, plan.notes, plan.undecayed
        self._rates, self._first_epochs = plan.rates, trained
        self._added = len(plan.added)
        self._candidates = (*before, *plan.added)
        """The variables of the trunk that may train in some phase."""
        self._constant = {id(v) for v in self._candidates if id(v) not in trained}
        for part in parts_of(trunk).values():
            own = {id(v) for v in part.weights} - grafted
            if not own & trained.keys():
                self._constant |= own

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
