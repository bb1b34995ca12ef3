"""The arms of a study (the alternatives that it compares), their models and their controls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from math import sqrt

from components.errors import RootstockError, did_you_mean
from models.transfer.frozen import Frozen
from models.trunks.base import Trunk
from models.trunks.scratch import Scratch
from pipeline.spec.load import SpecSource
from pipeline.spec.sections import Spec
from pipeline.spec.study import Arm, Study
from pipeline.spec.trunk_lookup import with_trunk_looked_up

WEIGHT = 3.0
"""Factor on the loss of one task, when constant weights are tuned one task at a time."""


@dataclass(frozen=True)
class ArmModel:
    """One model of an arm.

    judged: the tasks whose metrics count. shuffled: the tasks whose training labels are permuted.
    """

    tasks: tuple[str, ...]
    judged: tuple[str, ...]
    shuffled: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedArm:
    """An arm with its spec and models.

    overrides: the `--set` options that turn the study's spec into `spec`.
    candidates: the alternatives among which tuning chooses; until then the arm equals the first.
    control_of: for a control, the arm that it explains; empty for the arms that are compared.
    question: what a control answers.
    """

    name: str
    spec: Spec
    overrides: tuple[str, ...]
    models: tuple[ArmModel, ...]
    candidates: tuple[PlannedArm, ...] = ()
    control_of: str = ""
    question: str = ""

    @property
    def pretrained(self) -> bool:
        return self.spec.model.whole_trunk.pretrained

    @property
    def shares(self) -> bool:
        """Whether one of its models has several tasks."""
        return any(len(m.tasks) > 1 for m in self.models)


def planned_arms(source: SpecSource) -> list[PlannedArm]:
    """The arms of the study in a spec file, without controls; the reference arm comes first.

    Raises:
        RootstockError: an arm is invalid.
    """
    spec, path = source.spec(), source.path
    tasks, reference = tuple(spec.tasks), spec.study.reference
    arms = []
    for name, arm in (spec.study.arms or _default_arms(spec)).items():
        models = tuple(ArmModel(g, g) for g in _groups(arm, name, tasks))
        candidates = []
        for i, values in enumerate(product(*arm.tune.values())):
            chosen = {**arm.set, **dict(zip(arm.tune, values, strict=True))}
            own_overrides = tuple(f"{k}={json.dumps(value)}" for k, value in chosen.items())
            try:
                own = source.spec(*own_overrides)
            except RootstockError as e:
                raise RootstockError(f"{path}: study.arms.{name}: {e}") from e
            if tuple(own.tasks) != tasks or own.data != spec.data:
                raise RootstockError(
                    f"{path}: study.arms.{name}: all arms must have the same tasks and data."
                    " Expected only keys below `model`, `inputs` and `training`."
                )
            own = with_trunk_looked_up(own)
            where = f"{path}: study.arms.{name}: " if spec.study.arms else f"{path}: "
            checked = ((key, trunk.check(read)) for key, trunk, read in own.read_by_trunks())
            if problems := [f"{where}{key}: {p}" for key, wrong in checked for p in wrong]:
                raise RootstockError("\n".join(problems))
            candidates.append(PlannedArm(f"{name} {i + 1}", own, own_overrides, models))
        tuned = tuple(candidates) if len(candidates) > 1 else ()
        arms.append(replace(candidates[0], name=name, candidates=tuned))
    names = [a.name for a in arms]
    if reference is not None and reference not in names:
        raise RootstockError(
            f"{path}: study.reference: expected one of {', '.join(names)}, received {reference!r}."
            + did_you_mean(reference, names)
        )
    return sorted(arms, key=lambda a: a.name != (reference or names[0]))


def _default_arms(spec: Spec) -> dict[str, Arm]:
    """One model per task, and one model for all tasks.

    Unless the spec balances tasks equally, a third arm has tuned constant loss weights, which
    specialised balancing methods rarely beat (Kurin et al. 2022 and Xin et al. 2022, NeurIPS). With
    a pretrained trunk, the same arms train from scratch too.
    """
    without = dict.fromkeys(("model.transfer", "model.pretraining"))
    scratch = {"model.trunk": {"name": "scratch"}, **without}
    if spec.model.trunks:
        scratch["model.trunks"] = {}
    fixed = [{"name": "fixed", "weights": {task: WEIGHT}} for task in spec.tasks]
    arms: dict[str, Arm] = {}
    starts = {"_scratch": scratch, "": {}} if spec.model.whole_trunk.pretrained else {"": {}}
    for suffix, changes in starts.items():
        arms[f"single{suffix}"] = Arm(models="each", set=changes)
        if len(spec.tasks) > 1:
            arms[f"multitask{suffix}"] = Arm(set=changes)
            if spec.model.balancing.name != "equal":
                tune = {"model.balancing": ({"name": "equal"}, *fixed)}
                arms[f"multitask_weighted{suffix}"] = Arm(set=changes, tune=tune)
    return arms


def _groups(arm: Arm, name: str, tasks: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    if arm.models == "each":
        return tuple((t,) for t in tasks)
    if arm.models == "together":
        return (tasks,)
    named = [t for group in arm.models for t in group]
    if sorted(named) != sorted(tasks):
        raise RootstockError(
            f"study.arms.{name}.models: expected each of {', '.join(tasks)} in exactly one group."
            f" Received {', '.join(named)}."
        )
    return tuple(tuple(t for t in tasks if t in group) for group in arm.models)


def planned_controls(arms: list[PlannedArm], settings: Study) -> tuple[list[PlannedArm], list[str]]:
    """The controls that are possible with these arms, and why others are not."""
    sharing = next((a for a in arms if a.shares), None)
    pretrained = next((a for a in arms if a.pretrained), None)
    controls, notes = [], []
    if sharing and "shuffled_labels" in settings.controls:
        controls.append(_with_shuffled_labels(sharing))
    if sharing and "parameter_matched" in settings.controls:
        if isinstance(trunk := sharing.spec.model.whole_trunk, Scratch):
            controls.append(_parameter_matched(sharing, trunk))
        else:
            notes.append(f"no parameter-matched control: a {trunk.name} trunk has one size")
    if pretrained and "random_trunk" in settings.controls:
        trunk = pretrained.spec.model.whole_trunk
        if "pretrained" in {f.name for f in fields(trunk)}:  # type: ignore[arg-type]
            controls.append(_with_random_trunk(pretrained, trunk))
        else:
            notes.append(f"no random-trunk control: a {trunk.name} trunk has no fresh weights")
    return controls, notes


def uneven_tuning(arms: Sequence[PlannedArm]) -> list[str]:
    """A note if tuning chooses among more candidates in some arms than in others."""
    counts = {arm.name: max(len(arm.candidates), 1) for arm in arms}
    listed = ", ".join(f"{name} of {count}" for name, count in counts.items())
    note = f"arms with more tuning candidates have an advantage: {listed}"
    return [note] if len(set(counts.values())) > 1 else []


def _with_shuffled_labels(arm: PlannedArm) -> PlannedArm:
    """For every task a model in which the labels of all other tasks are permuted."""
    models = tuple(
        ArmModel(m.tasks, (t,), tuple(o for o in m.tasks if o != t))
        for m in arm.models
        for t in m.tasks
    )
    question = "Is the gain due to the other tasks' labels, or only to regularisation?"
    return _control(arm, "shuffled", question, models, arm.spec)


def _parameter_matched(arm: PlannedArm, trunk: Scratch) -> PlannedArm:
    """One model per task; together they have about as many parameters as the arm's models."""
    models = tuple(ArmModel((t,), (t,)) for m in arm.models for t in m.tasks)
    narrow = _narrow(trunk, len(models) / len(arm.models))
    question = "Does sharing still help when the single models have no more parameters in total?"
    return _control(arm, "split_up", question, models, _with_model(arm.spec, trunk=narrow))


def _narrow(trunk: Scratch, parts: float) -> Scratch:
    """A trunk with about 1 / `parts` of the parameters.

    A layer's parameters grow with the square of its width, an embedding's linearly.
    """

    def narrow(width: int, divisor: float = sqrt(parts)) -> int:
        return max(1, round(width / divisor))

    image = replace(trunk.image, widths=tuple(map(narrow, trunk.image.widths)))
    embedding, filters = narrow(trunk.text.embedding, parts), narrow(trunk.text.filters)
    text = replace(trunk.text, embedding=embedding, filters=filters)
    columns = replace(trunk.columns, layers=tuple(map(narrow, trunk.columns.layers)))
    return replace(trunk, width=narrow(trunk.width), image=image, text=text, columns=columns)


def _with_random_trunk(arm: PlannedArm, trunk: Trunk) -> PlannedArm:
    """The same architecture with random weights, frozen."""
    fresh = replace(trunk, pretrained=False)  # type: ignore[type-var]
    question = "Is the gain due to the pretrained weights, or only to the architecture?"
    spec = _with_model(arm.spec, trunk=fresh, transfer=Frozen(), pretraining=None)
    return _control(arm, "random_trunk", question, arm.models, spec)


def _control(
    arm: PlannedArm, suffix: str, question: str, models: tuple[ArmModel, ...], spec: Spec
) -> PlannedArm:
    name = f"{arm.name}_{suffix}"
    return PlannedArm(name, spec, arm.overrides, models, (), arm.name, question)


def _with_model(spec: Spec, **changes: object) -> Spec:
    return spec.model_copy(update={"model": spec.model.model_copy(update=changes)})
