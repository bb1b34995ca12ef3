"""Plans how the trunk of a model adapts; each of its parts, if it has several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from models.lazy import keras
from models.transfer.base import Phase, Plan, Transfer, TransferError
from models.transfer.frozen import Frozen


@dataclass(frozen=True, kw_only=True)
class ByInputTransfer(Transfer):
    """Each part of a `models.multitask.by_input.ByInput` trunk adapts in its own way.

    modes: by name of the part; without a mode, all its weights train as the heads do.
    """

    name: Literal["by_input"] = "by_input"
    modes: dict[str, Transfer]

    @property
    def tunes(self) -> bool:
        return any(mode.tunes for mode in self.modes.values())

    def plan(self, trunk: keras.Model) -> Plan:
        plans = []
        for name, part in trunk.parts.items():
            try:
                plans.append(plan_of(self.modes.get(name), part))
            except TransferError as e:
                raise TransferError(f"{name}: {e}") from e
        return _joined(plans)

    def finish(self, trunk: keras.Model) -> None:
        for name, part in trunk.parts.items():
            if name in self.modes:
                self.modes[name].finish(part)


def plan_of(transfer: Transfer | None, trunk: keras.Model) -> Plan:
    """The plan of a mode for a trunk that has its pretrained weights. Without a mode, the whole
    trunk trains.

    Raises:
        TransferError: the mode does not fit the trunk.
    """
    from models.trunks.layers.attention_pooling import new_variables
    from models.trunks.layers.hub_module import why_frozen

    if transfer is None:
        return Plan((Phase(0, tuple(trunk.trainable_variables)),))
    if isinstance(transfer, ByInputTransfer):
        return transfer.plan(trunk)
    _freeze_statistics(trunk)
    plan = transfer.plan(trunk)
    if isinstance(transfer, Frozen):
        return plan
    plan = with_new(plan, new_variables(trunk))
    before = plan.pairs.variables if plan.pairs else ()
    if not before and not any(p.variables for p in plan.phases):
        reason = why_frozen(trunk) or "the trunk has no weights that could train"
        raise TransferError(f"{transfer.name}: {reason}. Choose `transfer: frozen`.")
    return plan


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


def _joined(plans: Sequence[Plan]) -> Plan:
    """One plan for all parts: a phase begins where one of a part does."""
    starts = sorted({p.start for plan in plans for p in plan.phases})
    return Plan(
        tuple(Phase(s, tuple(v for plan in plans for v in _training(plan, s))) for s in starts),
        {i: rate for plan in plans for i, rate in plan.rates.items()},
        tuple(v for plan in plans for v in plan.added),
        tuple(v for plan in plans for v in plan.undecayed),
        tuple(note for plan in plans for note in plan.notes),
    )


def _training(plan: Plan, epoch: int) -> tuple[keras.Variable, ...]:
    """The variables that train from this epoch on."""
    return next(p.variables for p in reversed(plan.phases) if p.start <= epoch)


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
