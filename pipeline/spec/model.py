"""The `model` section of a spec: trunks, how tasks share them, and how they adapt."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from components.errors import did_you_mean
from components.experts.fitting import Wanted, expert_kinds
from components.training.settings import LastWordOf
from models.discovery import choice
from models.multitask.by_input import OTHERS, ByInput
from models.multitask.methods import BalancingSpec, SharingSpec, TrunkSpec
from models.multitask.planning import ByInputTransfer
from models.pretraining.language_model import LanguageModel
from models.sharing.base import check_balancing
from models.transfer.base import Transfer
from models.transfer.fine_tune import FineTune
from models.transfer.frozen import Frozen
from models.trunks.base import Trunk
from pipeline.spec.names import Name
from pipeline.spec.part import Part

if TYPE_CHECKING:
    PretrainingSpec = LanguageModel
    TransferSpec = Transfer
else:
    PretrainingSpec = choice("models.pretraining", LanguageModel)
    TransferSpec = choice("models.transfer", Transfer)


def _kinds(value: Any) -> Any:
    """`none` is short for an empty list, and the name of a kind for a list of it."""
    if value == "none":
        return ()
    return (value,) if isinstance(value, str) and value != "auto" else value


def _known(value: Wanted) -> Wanted:
    known = expert_kinds()
    for name in () if value == "auto" else value:
        if name not in known:
            raise ValueError(
                f"expected auto, none or some of {', '.join(known)}, received {name!r}."
                + did_you_mean(name, known)
            )
    return value


ExpertsSpec = Annotated[
    Wanted,
    BeforeValidator(_kinds, json_schema_input_type=Literal["auto", "none"] | str | tuple[str, ...]),
    AfterValidator(_known),
]


class TrunkOfInputs(Part):
    """A trunk for some of the inputs.

    inputs: those that it reads; when absent, the input with the trunk's own key.
    transfer: how its pretrained weights are adapted; as `model.transfer` when absent.
    """

    trunk: TrunkSpec
    inputs: tuple[Name, ...] = ()
    transfer: TransferSpec | None = None

    @property
    def mode(self) -> Transfer | None:
        return self.transfer or (FineTune() if self.trunk.pretrained else None)


class Model(Part):
    """The trunk, how tasks share it, and how their losses are balanced.

    trunks: several trunks, whose outputs lie side by side: each reads some of the inputs, and
        `trunk` reads the others. A key is the name of an input.
    pretraining: what a pretrained text trunk first learns from the texts of training rows and of
        sources with `split: unlabelled`, without labels.
    transfer: how the weights of a pretrained trunk are adapted; `fine_tune` when absent. A trunk
        that is not pretrained is trained as a whole. With `trunks`, the mode of those that state
        none.
    experts: classical models whose margins the network reads, and that share the last word with it:
        `auto` (all that the inputs and the rows allow), `none`, or a list of kinds.
    last_word: `stack`, in which network and experts have the weights that fit the validation rows,
        or `experts`: they alone answer, and the network neither trains nor is served.
    """

    trunk: TrunkSpec = Field(default={"name": "scratch"}, validate_default=True)
    trunks: dict[Name, TrunkOfInputs] = Field(default={})
    sharing: SharingSpec = Field(default={"name": "hard"}, validate_default=True)
    balancing: BalancingSpec = Field(default={"name": "equal"}, validate_default=True)
    pretraining: PretrainingSpec | None = None
    transfer: TransferSpec | None = None
    experts: ExpertsSpec = "auto"
    last_word: LastWordOf = "stack"

    @property
    def parts(self) -> dict[str, TrunkOfInputs]:
        """The trunks with their modes: `trunks`, and `trunk` under the name `OTHERS`."""
        parts = dict(self.trunks)
        if self.transfer is not None and self.trunks:
            default = {"transfer": self.transfer}
            unstated = [n for n, p in parts.items() if p.transfer is None and p.trunk.pretrained]
            parts |= {name: parts[name].model_copy(update=default) for name in unstated}
        own = None if self.trunks and not self.trunk.pretrained else self.transfer
        return parts | {OTHERS: TrunkOfInputs(trunk=self.trunk, transfer=own)}

    @property
    def whole_trunk(self) -> Trunk:
        """The trunk of all inputs."""
        if not self.trunks:
            return self.trunk
        inputs = {name: part.inputs or (name,) for name, part in self.trunks.items()}
        trunks = {name: part.trunk for name, part in self.parts.items()}
        fixed = tuple(n for n, p in self.parts.items() if p.trunk.pretrained and _embeds(p.mode))
        return ByInput(trunks=trunks, inputs=inputs, fixed=fixed)

    @property
    def whole_transfer(self) -> Transfer | None:
        """How the weights of `whole_trunk` adapt."""
        if not self.trunks:
            return self.transfer
        modes = {name: mode for name, part in self.parts.items() if (mode := part.mode)}
        return ByInputTransfer(modes=modes)

    @property
    def embedded(self) -> Trunk | None:
        """The part of `whole_trunk` whose output follows from the input alone, and is computed in
        advance; None if there is none.
        """
        trunk = self.whole_trunk
        if isinstance(trunk, ByInput):
            return trunk.only_fixed() if trunk.fixed else None
        fixed = _embeds(self.transfer) and trunk.pretrained and self.sharing.one_trunk
        return trunk if fixed else None

    def with_trunks(self, change: Callable[[Trunk], Trunk]) -> Model:
        """The same with other trunks."""
        trunks = {
            name: part.model_copy(update={"trunk": change(part.trunk)})
            for name, part in self.trunks.items()
        }
        return self.model_copy(update={"trunk": change(self.trunk), "trunks": trunks})

    @model_validator(mode="after")
    def _pretrained_weights_adapt(self) -> Model:
        if self.transfer is None and self.trunk.pretrained:
            self.__dict__["transfer"] = FineTune()
        for name, part in self.parts.items():
            if problem := part.trunk.check_transfer(isinstance(part.mode, Frozen)):
                raise ValueError(problem if name == OTHERS else f"trunks.{name}: {problem}")
        if self.pretraining is not None and (problem := self.trunk.check_pretraining()):
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _several_trunks_stay_whole(self) -> Model:
        if OTHERS in self.trunks:
            raise ValueError(
                f"trunks: the trunk of all other inputs is `model.trunk`. Expected another key than"
                f" {OTHERS!r}, with the names of its inputs under `inputs`"
            )
        if self.trunks and not self.sharing.one_trunk:
            raise ValueError(
                f"sharing: {self.sharing.name} takes trunks apart, which it cannot do with several"
                " of them. Expected another sharing, such as hard or mmoe, or no `trunks`"
            )
        if self.trunks and self.pretraining is not None:
            raise ValueError(
                "pretraining: several `trunks` cannot be pretrained. Expected one trunk, or no"
                " `pretraining`"
            )
        modes = {name: part.mode for name, part in self.parts.items() if self.trunks}
        for name, mode in modes.items():
            if mode is not None and mode.on_pairs:
                raise ValueError(
                    f"trunks: {mode.name} ({name}) trains a single trunk on pairs of rows. Expected"
                    " another mode, such as frozen or fine_tune, or no `trunks`"
                )
        return self

    @model_validator(mode="after")
    def _pairs_need_one_trunk(self) -> Model:
        transfer = self.transfer
        if transfer is not None and transfer.on_pairs and not self.sharing.one_trunk:
            raise ValueError(
                f"transfer: {transfer.name} trains one trunk on pairs, but sharing"
                f" {self.sharing.name} takes trunks apart. Expected another sharing, such as hard,"
                " or another mode, such as fine_tune"
            )
        return self

    @model_validator(mode="after")
    def _someone_answers(self) -> Model:
        if self.last_word == "experts" and not self.experts:
            raise ValueError(
                "last_word: experts alone should answer, but `experts` is none. Expected"
                " `experts: auto` or a list of kinds, or `last_word: stack`"
            )
        return self

    @model_validator(mode="after")
    def _gradients_meet(self) -> Model:
        check_balancing(self.sharing, self.balancing)
        return self


def _embeds(mode: Transfer | None) -> bool:
    return isinstance(mode, Frozen) and mode.embed
