"""What a study trains: arms, their controls and baselines, by fraction and seed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

from components.metrics import METRICS
from components.stage import RootstockError
from components.thresholds import Threshold, check_thresholds
from components.trainer import Trainer, Training
from models.balancing.base import Balancing
from models.balancing.equal import Equal
from models.balancing.fixed import Fixed
from models.sharing.hard import Hard
from models.task import Task
from models.transfer.frozen import Frozen
from pipeline.flow import trainer
from pipeline.spec import Spec, load_spec
from pipeline.study.settings import Arm, Study
from pipeline.study.statistics import fewest_seeds
from pipeline.tracking.lookup import with_trunk_looked_up

NO_SCALE = ("mae", "rmse", "log_loss")
"""Metrics without a scale of their own: their margin is a share of the reference's figure."""

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
        explains; empty for the arms that are compared.
    """

    name: str
    spec: Spec
    overrides: tuple[str, ...]
    models: tuple[Model, ...]
    candidates: tuple[PlannedArm, ...] = ()
    control_of: str = ""

    @property
    def pretrained(self) -> bool:
        """Whether its trunk was trained before."""
        return self.spec.model.trunk.pretrained

    @property
    def shares(self) -> bool:
        """Whether some model has several tasks."""
        return any(len(m.tasks) > 1 for m in self.models)


@dataclass(frozen=True)
class Claim:
    """A question that a study answers: is `arm` better than `against`, and is it due to this?"""

    name: str
    question: str
    arm: str
    against: str


@dataclass(frozen=True)
class Design:
    """All that is compared. arms: with controls, the reference first. metrics: by task."""

    spec: Spec
    settings: Study
    arms: tuple[PlannedArm, ...]
    baselines: tuple[str, ...]
    seeds: int
    metrics: Mapping[str, str]
    claims: tuple[Claim, ...]
    notes: tuple[str, ...]

    @property
    def reference(self) -> str:
        """The arm that others are measured against."""
        return self.arms[0].name

    @property
    def compared(self) -> tuple[PlannedArm, ...]:
        """The arms that could be recommended."""
        return tuple(a for a in self.arms if not a.control_of)

    @property
    def drawn_by(self) -> Task:
        """The task whose classes keep their proportions in fractions of the data."""
        return next(iter(self.spec.tasks.values()))


def design(path: Path, overrides: Sequence[str], variables: Mapping[str, str]) -> Design:
    """The design of a spec file's study.

    Raises:
        RootstockError: the spec, or an arm of its study, is not as it must be.
    """
    spec, _ = load_spec(path, overrides, variables)
    settings, tasks = spec.study, tuple(spec.tasks)
    arms = []
    for name, arm in (settings.arms or _default_arms(spec)).items():
        models = tuple(Model(g, g) for g in _groups(arm, name, tasks))
        candidates = []
        for i, chosen in enumerate(_combinations(arm)):
            told = tuple(f"{key}={json.dumps(value)}" for key, value in chosen.items())
            own, _ = load_spec(path, [*overrides, *told], variables)
            if tuple(own.tasks) != tasks or own.data != spec.data:
                raise RootstockError(
                    f"{path}: study.arms.{name}: an arm learns the same tasks from the same data."
                    " Expected keys below `model`, `inputs` and `training`."
                )
            candidates.append(
                PlannedArm(f"{name} {i + 1}", with_trunk_looked_up(own), told, models)
            )
        tuned = tuple(candidates) if len(candidates) > 1 else ()
        arms.append(replace(candidates[0], name=name, candidates=tuned))
    arms = _reference_first(arms, settings.reference, path)
    controls, notes = _controls(arms, settings)
    seeds = settings.seeds or fewest_seeds(len(tasks), settings.alpha)
    planned = (*arms, *controls)
    return Design(
        spec=spec,
        settings=settings,
        arms=planned,
        baselines=settings.baselines,
        seeds=seeds,
        metrics=_metrics(spec),
        claims=tuple(_claims(planned, settings.baselines)),
        notes=tuple(notes),
    )


def model_trainer(arm: PlannedArm, model: Model, training: Training, seed: int) -> Trainer:
    """The Trainer of one model of an arm: what concerns other tasks is left out of its settings."""
    tasks = tuple(arm.spec.tasks[name] for name in model.tasks)
    stopping = training.early_stopping
    if stopping is not None and stopping.monitor != "val_loss":
        own = any(stopping.monitor.startswith(f"val_{name}_") for name in model.tasks)
        if not own:
            stopping = replace(stopping, monitor="val_loss")
    alone = len(tasks) == 1
    return replace(
        trainer(arm.spec),
        tasks=tasks,
        sharing=Hard() if alone else arm.spec.model.sharing,
        balancing=Equal() if alone else _narrowed(arm.spec.model.balancing, model.tasks),
        training=replace(training, early_stopping=stopping, gradient_figures=False),
        seed=seed,
    )


def _narrowed(balancing: Balancing, tasks: tuple[str, ...]) -> Balancing:
    if isinstance(balancing, Fixed):
        return replace(
            balancing, weights={t: w for t, w in balancing.weights.items() if t in tasks}
        )
    return balancing


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


def _reference_first(arms: list[PlannedArm], reference: str | None, path: Path) -> list[PlannedArm]:
    names = [a.name for a in arms]
    if reference is not None and reference not in names:
        raise RootstockError(
            f"{path}: study.reference: no arm {reference!r}; expected one of {', '.join(names)}."
        )
    return sorted(arms, key=lambda a: a.name != (reference or names[0]))


def _controls(arms: list[PlannedArm], settings: Study) -> tuple[list[PlannedArm], list[str]]:
    """The controls that the arms allow, and why others were left out."""
    controls, notes = [], []
    if "shuffled_labels" in settings.controls:
        sharing = [a for a in arms if a.shares]
        for arm in sharing[:1]:
            models = tuple(
                Model(m.tasks, (t,), tuple(o for o in m.tasks if o != t))
                for m in arm.models
                for t in m.tasks
            )
            name = f"{arm.name}_shuffled"
            controls.append(
                replace(arm, name=name, models=models, candidates=(), control_of=arm.name)
            )
    if "random_trunk" in settings.controls:
        for arm in [a for a in arms if a.pretrained][:1]:
            trunk = arm.spec.model.trunk
            if "pretrained" not in {f.name for f in fields(trunk)}:  # type: ignore[arg-type]
                notes.append(
                    f"no control with a random trunk: a {trunk.name} trunk has no fresh weights"
                )
                continue
            fresh = replace(trunk, pretrained=False)  # type: ignore[type-var]
            model = arm.spec.model.model_copy(update={"trunk": fresh, "transfer": Frozen()})
            spec = arm.spec.model_copy(update={"model": model})
            name = f"{arm.name}_random_trunk"
            controls.append(replace(arm, name=name, spec=spec, candidates=(), control_of=arm.name))
    return controls, notes


def _metrics(spec: Spec) -> dict[str, str]:
    """The metric of each task. Raises RootstockError: a task or metric that is not there."""
    for task, metric in spec.study.metrics.items():
        try:
            check_thresholds(
                tuple(spec.tasks.values()), [Threshold(task=task, metric=metric, min=0.0)]
            )
        except RootstockError as e:
            raise RootstockError(str(e).replace("thresholds: ", "study.metrics: ", 1)) from e
    return {t.name: spec.study.metrics.get(t.name, METRICS[t.kind][0]) for t in spec.tasks.values()}


def _alike(one: Spec, other: Spec) -> bool:
    """Whether two arms differ at most in what their tasks share and how they are balanced."""
    first, second = one.model, other.model
    same = (first.trunk, first.transfer) == (second.trunk, second.transfer)
    return same and one.training == other.training and one.inputs == other.inputs


def _claims(arms: Sequence[PlannedArm], baselines: Sequence[str]) -> Iterator[Claim]:
    """Sharing, transfer, both; each other arm against the reference; controls; classical models."""
    compared = [a for a in arms if not a.control_of]
    reference, asked = compared[0], set()

    def claim(name: str, question: str, arm: str, against: str) -> Iterator[Claim]:
        if arm != against and (arm, against) not in asked:
            asked.add((arm, against))
            yield Claim(name, question, arm, against)

    for arm in compared:
        for other in compared:
            if arm.shares and not other.shares and _alike(arm.spec, other.spec):
                told = "Does sharing one model between tasks help?"
                yield from claim("sharing", told, arm.name, other.name)
    for arm in compared:
        for other in compared:
            if arm.pretrained and not other.pretrained and arm.models == other.models:
                told = "Does starting from pretrained weights help?"
                yield from claim("transfer", told, arm.name, other.name)
    for arm in compared:
        both = arm.shares and arm.pretrained and not (reference.shares or reference.pretrained)
        name, what = ("both", "Do both together help?") if both else ("arm", "Is this arm better?")
        yield from claim(name, what, arm.name, reference.name)
    for control in arms:
        if control.control_of:
            shuffled = any(m.shuffled for m in control.models)
            told = (
                "Is it the other tasks' information, and not regularisation alone?"
                if shuffled
                else "Is it the pretrained weights, and not the architecture alone?"
            )
            yield from claim("control", told, control.control_of, control.name)
    if "classical" in baselines:
        for arm in compared:
            told = "Is deep learning better than a classical model?"
            yield from claim("classical", told, arm.name, "classical")
