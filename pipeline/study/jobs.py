"""The trials of a study: the stage and inputs of each, and the tasks whose metrics count."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from components.artifacts import Examples
from components.errors import RootstockError
from components.evaluation.groups import Groups
from components.experiments.baseline import Baseline, BaselineInputs
from components.experiments.trial import Trial
from components.ingestion.splits import HashSplits
from components.labels.encoding import resolve
from components.training.choices import Situation, choose
from components.training.recipe import TrainerInputs
from components.training.settings import Training
from components.training.subset import Subset
from pipeline.flow import prepare
from pipeline.runner import Runner
from pipeline.spec.sections import Spec
from pipeline.store.fingerprint import Identity, identify
from pipeline.store.store import Store
from pipeline.study.arms import ArmModel, PlannedArm
from pipeline.study.design import Design, model_recipe

MAJORITY = "majority"


@dataclass(frozen=True)
class Cell:
    """An arm at a fraction of the training rows and a seed (counted from 0)."""

    arm: str
    fraction: float
    seed: int


@dataclass(frozen=True)
class Job:
    """A trial: one model to train. judged: the tasks whose metrics count for the cell."""

    cell: Cell
    stage: Trial | Baseline
    inputs: TrainerInputs | BaselineInputs
    judged: tuple[str, ...]

    @cached_property
    def identity(self) -> Identity:
        """The identity of the trial; a trial that two arms share runs once."""
        return identify(self.stage, self.inputs)

    @property
    def name(self) -> str:
        return f"{self.cell.arm}, {'+'.join(self.judged)}, seed {self.cell.seed + 1}"


@dataclass(frozen=True)
class Prepared:
    """A design with prepared data.

    inputs: of the Trainer, by arm and number of the split; a control without entry uses those of
        the arm that it explains. rows: training rows of the first split, or of the spec's subset.
    tuning: seconds of the trials that chose among the candidates of an arm.
    """

    design: Design
    inputs: dict[tuple[str, int], TrainerInputs]
    rows: int
    tuning: Mapping[str, float] = field(default_factory=dict)

    @property
    def examples(self) -> Examples:
        return self.inputs[self.design.arms[0].name, 0].examples

    @cached_property
    def overlap(self) -> float:
        """Test groups / training groups if every seed has its own split, else 0.

        Without a key every row is a group. See `statistics.standard_error`.
        """
        if self.design.settings.splits == "one":
            return 0.0
        return self._groups("test") / self._groups("train")

    def _groups(self, split: str) -> int:
        key = self.design.spec.data.key
        if not key:
            return self.examples.num_rows(split)
        return Groups.by_key(self.examples.read(split, list(key)), key).count

    def preparation(self, cell: Cell, store: Store) -> float:
        """Seconds of the stages that prepare an arm's data: Transform and, if there is one, Embed.

        They are those of the run that computed the results, also if this run found them in the
        store. Stages before Transform are the same for every arm. Baselines read raw rows.
        """
        arm = next((a for a in self.design.arms if a.name == cell.arm), None)
        if arm is None:
            return 0.0
        inputs = self._inputs(arm, cell.seed)
        made = [a for a in (inputs.batches, inputs.embeddings) if a is not None]
        entries = (store.producer(artifact) for artifact in made)
        return sum(entry.seconds for entry in entries if entry is not None)

    def rows_of(self, fraction: float) -> int:
        return max(1, round(fraction * self.rows))

    def jobs(self, fractions: tuple[float, ...], seeds: int) -> Iterator[Job]:
        """All trials, seed by seed, so that an early stop leaves complete comparisons."""
        for seed in range(seeds):
            for fraction in fractions:
                for arm in self.design.arms:
                    for model in arm.models:
                        yield self.job(arm, model, fraction, seed)
                for name in self.design.baselines:
                    yield self._baseline(name, fraction, seed)

    def job(self, arm: PlannedArm, model: ArmModel, fraction: float, seed: int) -> Job:
        training = self._training(arm, fraction, seed)
        return self._job(Cell(arm.name, fraction, seed), arm, model, training)

    def probe(self, arm: PlannedArm) -> Job:
        """A short trial of an arm's largest model, to estimate the time of the others."""
        model = replace(max(arm.models, key=lambda m: len(m.tasks)), shuffled=())
        training = arm.spec.training
        batch = self._batch_size(arm, training)
        short = replace(
            training,
            epochs=2,
            batch_size=batch,
            steps_per_epoch=None,
            early_stopping=None,
            subset=Subset(rows=min(self.rows, 8 * batch)),
        )
        return self._job(Cell(arm.name, 0.0, 0), arm, model, short)

    def _job(self, cell: Cell, arm: PlannedArm, model: ArmModel, training: Training) -> Job:
        recipe = model_recipe(arm, model, training, self.design.spec.seed + cell.seed)
        key, drawn_by = self.design.spec.data.key, self.design.drawn_by
        stage = Trial(
            recipe=recipe,
            drawn_by=drawn_by,
            key=key,
            shuffled=model.shuffled,
            experts=arm.spec.model.experts,
            blind=self.design.settings.blind,
        )
        return Job(cell, stage, self._inputs(arm, cell.seed), model.judged)

    def _inputs(self, arm: PlannedArm, seed: int) -> TrainerInputs:
        split = 0 if self.design.settings.splits == "one" else seed
        return self.inputs.get((arm.name, split)) or self.inputs[arm.control_of, split]

    def _baseline(self, name: str, fraction: float, seed: int) -> Job:
        spec = self.design.spec
        stage = Baseline(
            model="majority" if name == MAJORITY else "classical",
            inputs=tuple(spec.inputs.values()),
            tasks=tuple(spec.tasks.values()),
            drawn_by=self.design.drawn_by,
            subset=self._subset(spec.training, fraction, seed),
            seed=spec.seed,
            metrics=self.design.metrics if name == MAJORITY else {},
            key=spec.data.key,
        )
        inputs = BaselineInputs(self._inputs(self.design.arms[0], seed).examples)
        return Job(Cell(name, fraction, seed), stage, inputs, tuple(spec.tasks))

    def _subset(self, training: Training, fraction: float, seed: int) -> Subset | None:
        """The training rows of a fraction: a different sample for every seed; None for all rows."""
        whole = training.subset
        if whole is None:
            return None if fraction == 1 else Subset(rows=self.rows_of(fraction), seed=seed)
        if whole.per_class is None:
            return Subset(rows=self.rows_of(fraction), seed=whole.seed + seed)
        count = max(1, round(fraction * whole.per_class))
        return Subset(per_class=count, seed=whole.seed + seed)

    def _training(self, arm: PlannedArm, fraction: float, seed: int) -> Training:
        """The spec's training on a fraction of the rows; with `budget: steps`, as many steps.

        Without `epochs`, every trial chooses its settings from its own rows.
        """
        training = arm.spec.training
        steps = training.steps_per_epoch
        same_steps = self.design.settings.budget == "steps" and training.epochs is not None
        if same_steps and steps is None and fraction < 1:
            steps = math.ceil(self.rows / self._batch_size(arm, training))
        subset = self._subset(training, fraction, seed)
        return replace(training, steps_per_epoch=steps, subset=subset)

    def _batch_size(self, arm: PlannedArm, training: Training) -> int:
        """That of a training on all rows."""
        return choose(training, Situation(self.rows, arm.spec.model.transfer)).batch_size


def prepared(design: Design, run: Runner) -> Prepared:
    """Run the data stages of every arm; stages that arms share run once.

    Raises:
        RootstockError: the data is invalid, or there are no test rows.
    """
    specs = {arm.name: arm.spec for arm in design.compared}
    specs |= {c.name: c.spec for arm in design.arms for c in arm.candidates}
    controls = [arm for arm in design.arms if arm.control_of]
    specs |= {arm.name: arm.spec for arm in controls if arm.spec != specs[arm.control_of]}
    inputs = {
        (name, split): prepare(with_split(spec, split), run, for_trials=True)
        for split in range(1 if design.settings.splits == "one" else design.seeds)
        for name, spec in specs.items()
    }
    without_rows = Prepared(design, inputs, 0)
    examples = without_rows.examples
    if not examples.shards("test") or not examples.num_rows("test"):
        raise RootstockError(
            "A study needs test rows, and the test split is empty. Give data.splits.test a share."
        )
    return replace(without_rows, rows=_rows(design, examples))


def with_split(spec: Spec, split: int) -> Spec:
    """The spec with the split of a seed: another random one, or the next fold.

    split: 0 is the spec's own, or the first fold.

    Raises:
        RootstockError: the data is not split by hash, or has no test split to make folds of.
    """
    rule, splits = spec.study.splits, spec.data.splits
    if rule == "one" or (rule == "resampled" and split == 0):
        return spec
    if not isinstance(splits, HashSplits) or any(s.split for s in spec.data.sources):
        raise RootstockError(
            f"study.splits: `{rule}` needs data that is split by hash: no source may have its own"
            " `split`, and data.splits no other rule. Expected `one`."
        )
    other = replace(splits, seed=splits.seed + split)
    if rule == "folds":
        if splits.folds < 2:
            raise RootstockError(
                "study.splits: `folds` needs data.splits.test, whose share decides the number of"
                f" folds. Expected 0.5 or less, such as 0.2. Received: {splits.test:g}."
            )
        repetition, fold = divmod(split, splits.folds)
        other = replace(splits, seed=splits.seed + repetition, fold=fold)
    return spec.model_copy(update={"data": spec.data.model_copy(update={"splits": other})})


def _rows(design: Design, examples: Examples) -> int:
    subset = design.spec.training.subset
    if subset is None:
        return examples.num_rows("train")
    if subset.rows is not None:
        return subset.rows
    assert subset.per_class is not None
    task = design.drawn_by
    labels = examples.read("train", [task.label]).column(task.label)
    return subset.per_class * len(resolve(task, labels).classes)
