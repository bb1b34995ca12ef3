"""The arms of a study: their specs, their models, their controls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from math import sqrt
from pathlib import Path
from typing import Any

from components.errors import RootstockError
from models.transfer.frozen import Frozen
from models.trunks.base import Trunk
from models.trunks.scratch import Scratch
from pipeline.spec.load import load_spec
from pipeline.spec.sections import Spec
from pipeline.spec.study import Arm, Study
from pipeline.spec.trunk_lookup import with_trunk_looked_up

WEIGHT = 3.0
"""What a task's loss is multiplied by where constant weights are tuned, one task at a time."""


@dataclass(frozen=True)
class Model:
    """One model of an arm. judged: whose figures count. shuffled: tasks that teach nothing."""

    tasks: tuple[str, ...]
    judged: tuple[str, ...]
    shuffled: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedArm:
    """An arm with all that it needs.

    overrides: keys of the spec that lead to `spec`. candidates: what it is chosen from by tuning;
        it has the place of the first of them until then. control_of: the arm that this one
        explains; empty for the arms that are compared. question: that a control answers.
    """

    name: str
    spec: Spec
    overrides: tuple[str, ...]
    models: tuple[Model, ...]
    candidates: tuple[PlannedArm, ...] = ()
    control_of: str = ""
    question: str = ""

    @property
    def pretrained(self) -> bool:
        """Whether its trunk was trained before."""
        return self.spec.model.trunk.pretrained

    @property
    def shares(self) -> bool:
        """Whether some model has several tasks."""
        return any(len(m.tasks) > 1 for m in self.models)


def planned_arms(
    path: Path, overrides: Sequence[str], variables: Mapping[str, str]
) -> list[PlannedArm]:
    """The arms of a spec file's study, without controls, the reference first.

    Raises:
        RootstockError: an arm is not as it must be.
    """
    spec, _ = load_spec(path, overrides, variables)
    tasks, reference = tuple(spec.tasks), spec.study.reference
    arms = []
    for name, arm in (spec.study.arms or _default_arms(spec)).items():
        models = tuple(Model(g, g) for g in _groups(arm, name, tasks))
        candidates = []
        for i, chosen in enumerate(_combinations(arm)):
            told = tuple(f"{key}={json.dumps(value)}" for key, value in chosen.items())
            try:
                own, _ = load_spec(path, [*overrides, *told], variables)
            except RootstockError as e:
                raise RootstockError(f"{path}: study.arms.{name}: {e}") from e
            if tuple(own.tasks) != tasks or own.data != spec.data:
                raise RootstockError(
                    f"{path}: study.arms.{name}: an arm learns the same tasks from the same data."
                    " Expected keys below `model`, `inputs` and `training`."
                )
            own = with_trunk_looked_up(own)
            if wrong := own.model.trunk.check(tuple(own.inputs.values())):
                where = f"study.arms.{name}: " if spec.study.arms else ""
                raise RootstockError("\n".join(f"{path}: {where}model.trunk: {w}" for w in wrong))
            candidates.append(PlannedArm(f"{name} {i + 1}", own, told, models))
        tuned = tuple(candidates) if len(candidates) > 1 else ()
        arms.append(replace(candidates[0], name=name, candidates=tuned))
    names = [a.name for a in arms]
    if reference is not None and reference not in names:
        raise RootstockError(
            f"{path}: study.reference: no arm {reference!r}; expected one of {', '.join(names)}."
        )
    return sorted(arms, key=lambda a: a.name != (reference or names[0]))


def _default_arms(spec: Spec) -> dict[str, Arm]:
    """A model per task and one for all; with tuned constant weights too, which specialised
    balancing seldom betters (Kurin et al. 2022 and Xin et al. 2022, NeurIPS); from scratch too.
    """
    scratch = {"model.trunk": {"name": "scratch"}, "model.transfer": None}
    weights = [{"name": "equal"}] + [
        {"name": "fixed", "weights": {task: WEIGHT}} for task in spec.tasks
    ]
    found: dict[str, Arm] = {}
    starts = {"_scratch": scratch, "": {}} if spec.model.trunk.pretrained else {"": {}}
    for suffix, changes in starts.items():
        found[f"single{suffix}"] = Arm(models="each", set=changes)
        if len(spec.tasks) > 1:
            found[f"multitask{suffix}"] = Arm(set=changes)
            if spec.model.balancing.name != "equal":
                tune = {"model.balancing": tuple(weights)}
                found[f"multitask_weighted{suffix}"] = Arm(set=changes, tune=tune)
    return found


def _combinations(arm: Arm) -> Iterator[dict[str, Any]]:
    """What the arm sets, with each combination of the values that are tuned."""
    for values in product(*arm.tune.values()):
        yield {**arm.set, **dict(zip(arm.tune, values, strict=True))}


def _groups(arm: Arm, name: str, tasks: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    if arm.models == "each":
        return tuple((t,) for t in tasks)
    if arm.models == "together":
        return (tasks,)
    named = [t for group in arm.models for t in group]
    if sorted(named) != sorted(tasks):
        raise RootstockError(
            f"study.arms.{name}.models: expected groups that hold each of {', '.join(tasks)} once."
            f" Received {', '.join(named)}."
        )
    return tuple(tuple(t for t in tasks if t in group) for group in arm.models)


def planned_controls(arms: list[PlannedArm], settings: Study) -> tuple[list[PlannedArm], list[str]]:
    """The controls that the arms allow, and why others were left out."""
    sharing = [a for a in arms if a.shares][:1]
    pretrained = [a for a in arms if a.pretrained][:1]
    controls, notes = [], []
    if "shuffled_labels" in settings.controls:
        controls += [_with_shuffled_labels(arm) for arm in sharing]
    if "parameter_matched" in settings.controls:
        for arm in sharing:
            trunk = arm.spec.model.trunk
            if isinstance(trunk, Scratch):
                controls.append(_parameter_matched(arm, trunk))
            else:
                notes.append(f"no parameter-matched control: a {trunk.name} trunk has one size")
    if "random_trunk" in settings.controls:
        for arm in pretrained:
            trunk = arm.spec.model.trunk
            if "pretrained" in {f.name for f in fields(trunk)}:  # type: ignore[arg-type]
                controls.append(_with_random_trunk(arm, trunk))
            else:
                notes.append(f"no random-trunk control: a {trunk.name} trunk has no fresh weights")
    return controls, notes


def uneven_tuning(arms: Sequence[PlannedArm]) -> list[str]:
    """What to know where arms are the best of different numbers of candidates."""
    chosen = {arm.name: max(len(arm.candidates), 1) for arm in arms}
    if len(set(chosen.values())) == 1:
        return []
    told = ", ".join(f"{name} of {count}" for name, count in chosen.items())
    return [f"arms are the best of different numbers of candidates, and more is better: {told}"]


def _with_shuffled_labels(arm: PlannedArm) -> PlannedArm:
    """For every task a model in which the other tasks teach nothing."""
    models = tuple(
        Model(m.tasks, (t,), tuple(o for o in m.tasks if o != t))
        for m in arm.models
        for t in m.tasks
    )
    question = "Is it the other tasks' information, and not regularisation alone?"
    return _control(arm, "shuffled", question, models, arm.spec)


def _parameter_matched(arm: PlannedArm, trunk: Scratch) -> PlannedArm:
    """A model per task, all of them together about as large as the arm's models."""
    models = tuple(Model((t,), (t,)) for m in arm.models for t in m.tasks)
    narrow = _narrow(trunk, len(models) / len(arm.models))
    question = "Does sharing help when single models have no more parameters in all?"
    return _control(arm, "split_up", question, models, _with_model(arm.spec, trunk=narrow))


def _narrow(trunk: Scratch, parts: float) -> Scratch:
    """A trunk of about a `parts`-th of the parameters: those of a layer grow with the square of its
    width, those of an embedding with its width.
    """

    def narrow(width: int) -> int:
        return max(1, round(width / sqrt(parts)))

    return replace(
        trunk,
        width=narrow(trunk.width),
        image=replace(trunk.image, widths=tuple(map(narrow, trunk.image.widths))),
        text=replace(
            trunk.text,
            embedding=max(1, round(trunk.text.embedding / parts)),
            filters=narrow(trunk.text.filters),
        ),
        columns=replace(trunk.columns, layers=tuple(map(narrow, trunk.columns.layers))),
    )


def _with_random_trunk(arm: PlannedArm, trunk: Trunk) -> PlannedArm:
    """The same architecture, with fresh weights that stay as they are."""
    fresh = replace(trunk, pretrained=False)  # type: ignore[type-var]
    question = "Is it the pretrained weights, and not the architecture alone?"
    spec = _with_model(arm.spec, trunk=fresh, transfer=Frozen())
    return _control(arm, "random_trunk", question, arm.models, spec)


def _control(
    arm: PlannedArm, suffix: str, question: str, models: tuple[Model, ...], spec: Spec
) -> PlannedArm:
    return PlannedArm(
        f"{arm.name}_{suffix}",
        spec,
        arm.overrides,
        models,
        control_of=arm.name,
        question=question,
    )


def _with_model(spec: Spec, **changes: object) -> Spec:
    return spec.model_copy(update={"model": spec.model.model_copy(update=changes)})
