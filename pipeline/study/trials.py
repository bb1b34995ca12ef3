"""The trials of a design: which stages to run, on what, and whose figures each gives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from components.artifacts import Examples
from components.baseline import Baseline, BaselineInputs
from components.fingerprint import Identity, identify
from components.labels import resolve
from components.stage import RootstockError
from components.subset import Subset
from components.trainer import TrainerInputs, Training
from components.trial import Trial
from pipeline.flow import prepare
from pipeline.runner import Runner
from pipeline.study.design import Design, Model, PlannedArm, model_trainer

MAJORITY, CLASSICAL = "majority", "classical"


@dataclass(frozen=True)
class Cell:
    """An arm at a fraction and a seed (from 0)."""

    arm: str
    fraction: float
    seed: int


@dataclass(frozen=True)
class Job:
    """A trial. judged: the tasks whose figures count for the cell."""

    cell: Cell
    stage: Trial | Baseline
    inputs: TrainerInputs | BaselineInputs
    judged: tuple[str, ...]

    @cached_property
    def identity(self) -> Identity:
        """Of the trial: arms that have a trial in common have it once."""
        return identify(self.stage, self.inputs)


@dataclass(frozen=True)
class Prepared:
    """A design with its data.

    inputs: of the Trainer, by arm; a control without any has those of the arm that it explains.
    rows: of the training split, or of the spec's own subset of it.
    """

    design: Design
    examples: Examples
    inputs: dict[str, TrainerInputs]
    rows: int

    def rows_of(self, fraction: float) -> int:
        """Training rows of a fraction."""
        return max(1, round(fraction * self.rows))

    def jobs(self, fractions: tuple[float, ...], seeds: int) -> Iterator[Job]:
        """All trials, seed by seed, so that whatever is left out leaves whole comparisons."""
        for seed in range(seeds):
            for fraction in fractions:
                for arm in self.design.arms:
                    for model in arm.models:
                        yield self.job(arm, model, fraction, seed)
                for name in self.design.baselines:
                    yield self._baseline(name, fraction, seed)

    def job(self, arm: PlannedArm, model: Model, fraction: float, seed: int) -> Job:
        """The trial of one model."""
        training = self._training(arm.spec.training, fraction, seed)
        stage = Trial(
            trainer=model_trainer(arm, model, training, self.design.spec.seed + seed),
            drawn_by=self.design.drawn_by,
            shuffled=model.shuffled,
        )
        cell = Cell(arm.name, fraction, seed)
        return Job(cell, stage, self._inputs(arm), model.judged)

    def probe(self, arm: PlannedArm) -> Job:
        """A short trial of an arm's largest model, to tell how long the others will take."""
        model = max(arm.models, key=lambda m: len(m.tasks))
        batch = arm.spec.training.batch_size
        training = replace(
            arm.spec.training,
            epochs=2,
            early_stopping=None,
            subset=Subset(rows=min(self.rows, 8 * batch)),
        )
        stage = Trial(
            trainer=model_trainer(arm, model, training, self.design.spec.seed),
            drawn_by=self.design.drawn_by,
        )
        return Job(Cell(arm.name, 0.0, 0), stage, self._inputs(arm), model.judged)

    def _inputs(self, arm: PlannedArm) -> TrainerInputs:
        return self.inputs.get(arm.name) or self.inputs[arm.control_of]

    def _baseline(self, name: str, fraction: float, seed: int) -> Job:
        spec = self.design.spec
        stage = Baseline(
            model="majority" if name == MAJORITY else "classical",
            inputs=tuple(spec.inputs.values()),
            tasks=tuple(spec.tasks.values()),
            drawn_by=self.design.drawn_by,
            subset=self._subset(spec.training, fraction, seed),
            seed=spec.seed,
        )
        inputs = BaselineInputs(self.examples)
        return Job(Cell(name, fraction, seed), stage, inputs, tuple(spec.tasks))

    def _subset(self, training: Training, fraction: float, seed: int) -> Subset | None:
        """The rows of a fraction: other ones for every seed, but for all rows."""
        given = training.subset
        start = 0 if given is None else given.seed
        if given is not None and given.per_class is not None:
            count = max(1, round(fraction * given.per_class))
            return Subset(per_class=count, seed=start + seed)
        if given is None and fraction == 1:
            return None
        return Subset(rows=self.rows_of(fraction), seed=start + seed)

    def _training(self, training: Training, fraction: float, seed: int) -> Training:
        """As the spec has it, on a fraction of the rows, for as many steps if the budget says."""
        epochs = training.epochs
        if self.design.settings.budget == "steps":
            whole = math.ceil(self.rows / training.batch_size) * epochs
            epochs = max(1, round(whole / math.ceil(self.rows_of(fraction) / training.batch_size)))
        return replace(training, epochs=epochs, subset=self._subset(training, fraction, seed))


def prepared(design: Design, run: Runner) -> Prepared:
    """Run the data stages of every arm; what arms have in common runs once.

    Raises:
        RootstockError: the data cannot be used, or there are no test rows.
    """
    inputs = {arm.name: prepare(arm.spec, run) for arm in design.arms if not arm.control_of}
    inputs |= {c.name: prepare(c.spec, run) for arm in design.arms for c in arm.candidates}
    inputs |= {
        arm.name: prepare(arm.spec, run)
        for arm in design.arms
        if arm.control_of and arm.spec != _arm(design, arm.control_of).spec
    }
    examples = next(iter(inputs.values())).examples
    if not examples.shards("test") or not examples.num_rows("test"):
        raise RootstockError(
            "A study needs test rows, and the test split is empty: give data.splits.test a share."
        )
    return Prepared(design, examples, inputs, _rows(design, examples))


def _arm(design: Design, name: str) -> PlannedArm:
    return next(a for a in design.arms if a.name == name)


def _rows(design: Design, examples: Examples) -> int:
    subset = design.spec.training.subset
    if subset is None:
        return examples.num_rows("train")
    if subset.rows is not None:
        return subset.rows
    assert subset.per_class is not None
    task = design.drawn_by
    return subset.per_class * len(
        resolve(task, examples.read("train", [task.label]).column(task.label)).classes
    )
