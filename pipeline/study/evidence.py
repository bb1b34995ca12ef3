"""The metrics and costs of all trials, by arm, fraction and seed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from math import isnan, nan, sqrt

from components.artifacts import TrialResult
from components.data.lazy import Floats, np
from components.evaluation.metrics import family_of
from components.experiments.trial import TrialOutputs
from components.experiments.trial_result import TaskFigures, TrialFigures, load_figures
from pipeline.spec.metrics import sign
from pipeline.store.entry import Entry
from pipeline.store.store import Store
from pipeline.study.design import Design
from pipeline.study.jobs import Cell, Prepared
from pipeline.study.verdict import Differences
from pipeline.study.workers import Done

PREPARATION = "preparation"
"""A cost: seconds before training, see `Scores`."""
SMALLEST_MARGIN = 1e-12
"""The margin if it is a share of a metric that is 0."""
MOST_UNDEFINED = 0.05
"""The share of resamples on which a metric may be undefined."""


@dataclass(frozen=True)
class Scores:
    """The metrics of a cell by task, and the trials that they come from.

    preparation: seconds of the stages that prepare the arm's data, once for all its models.
    span: when the first trial started and the last one ended, in seconds since 1970.
    """

    tasks: Mapping[str, TaskFigures]
    trials: tuple[TrialFigures, ...]
    preparation: float = 0.0
    span: tuple[float, float] | None = None

    def total(self, cost: str) -> float:
        """A cost (a field of `Costs`, or `preparation`) over all models of the arm.

        The sum over models, but of memory peaks the largest; NaN if one of them is unknown.
        `seconds` includes the preparation.
        """
        if cost == PREPARATION:
            return self.preparation
        values = [getattr(trial.costs, cost) for trial in self.trials]
        if None in values:
            return nan
        if cost == "memory_mib":
            return float(max(values))
        return float(sum(values)) + (self.preparation if cost == "seconds" else 0.0)


@dataclass(frozen=True)
class Evidence:
    """The results of a study.

    rows: training rows by fraction. cells: only complete ones. overlap: see
    `pipeline.study.jobs.Prepared`. versions: of the packages that trained. tuning: seconds of the
    trials that chose among the candidates of an arm.
    """

    design: Design
    rows: Mapping[float, int]
    cells: Mapping[Cell, Scores]
    overlap: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)
    tuning: Mapping[str, float] = field(default_factory=dict)

    @property
    def fractions(self) -> list[float]:
        return sorted({cell.fraction for cell in self.cells})

    @property
    def largest(self) -> float:
        """The largest fraction with results."""
        return self.fractions[-1]

    @property
    def comparable(self) -> bool:
        """Whether the reference arm has at least two seeds at the largest fraction."""
        return bool(self.cells) and len(self.seeds(self.largest, self.design.reference)) > 1

    def arms(self) -> list[str]:
        """The arms, controls and baselines with results, in the order of the design."""
        present = {cell.arm for cell in self.cells}
        names = [*(a.name for a in self.design.arms), *self.design.baselines]
        return [name for name in names if name in present]

    def seeds(self, fraction: float, *arms: str) -> list[int]:
        """The seeds for which all these arms have results."""
        seeds = {c.seed for c in self.cells}
        return sorted(s for s in seeds if all(Cell(a, fraction, s) in self.cells for a in arms))

    def scores(self, arm: str, fraction: float) -> dict[int, Scores]:
        return {s: self.cells[Cell(arm, fraction, s)] for s in self.seeds(fraction, arm)}

    def by_seed(
        self, arm: str, fraction: float, task: str, split: str = "test", metric: str = ""
    ) -> dict[int, float]:
        """The task's metric, or another one, by seed, where it is defined."""
        metric = metric or self.design.metrics[task]
        scores = self.scores(arm, fraction).items()
        values = ((seed, getattr(cell.tasks[task], split).get(metric)) for seed, cell in scores)
        return {seed: value for seed, value in values if value is not None}

    def values(self, arm: str, fraction: float, task: str, split: str = "test") -> Floats:
        """float64 [seeds]: the task's metric for the seeds for which it is defined."""
        return np.array(list(self.by_seed(arm, fraction, task, split).values()), np.float64)

    def cost(self, arm: str, fraction: float, cost: str) -> float:
        """Mean over seeds of an arm's total cost, where it is known. cost: as in `Scores.total`."""
        totals = [cell.total(cost) for cell in self.scores(arm, fraction).values()]
        known = [total for total in totals if not isnan(total)]
        return float(np.mean(known)) if known else nan

    def sign(self, task: str) -> int:
        """1 if higher values of the task's metric are better, -1 if lower ones are."""
        return sign(self.design.spec, task, self.design.metrics[task])

    def margin(self, task: str, fraction: float, split: str = "test") -> float:
        """The smallest difference that matters, in units of the metric."""
        margin = self.design.settings.margin
        family = family_of(self.design.spec.tasks[task].kind)
        if self.design.metrics[task] not in family.relative_margin:
            return margin
        values = self.values(self.design.reference, fraction, task, split)
        return max(margin * abs(float(np.mean(values))), SMALLEST_MARGIN)

    def differences(
        self, arm: str, against: str, fraction: float, split: str = "test"
    ) -> list[Differences]:
        """The differences of every task for which both arms share at least two seeds."""
        all_differences = []
        for task in self.design.metrics:
            ours, theirs = (self.by_seed(a, fraction, task, split) for a in (arm, against))
            seeds = sorted(ours.keys() & theirs.keys())
            if len(seeds) < 2:
                continue
            by_seed = np.array([self.sign(task) * (ours[s] - theirs[s]) for s in seeds])
            flaws = self._undefined(task, {arm: ours.keys(), against: theirs.keys()}, fraction)
            error: float | None = 0.0
            groups = None
            if not self.overlap:  # otherwise test rows differ by seed already
                groups = self.groups(task, split, fraction, (arm, against))
                error = self._row_error(arm, against, fraction, task, seeds, split)
            if groups == 1:
                flaws.append(f"all {split} rows are of one group, so their error is unknown")
            elif error is None:
                flaws.append(
                    f"{self.design.metrics[task]} is undefined on many resamples of the {split}"
                    " rows, so their error is unknown"
                )
            elif groups is not None:  # as n / (n - 1) in a variance
                error *= sqrt(groups / (groups - 1))
            margin = self.margin(task, fraction, split)
            flaw = "; ".join(flaws)
            all_differences.append(
                Differences(task, by_seed, margin, error or 0.0, self.overlap, flaw, groups)
            )
        return all_differences

    def groups(
        self, task: str, split: str, fraction: float, arms: Collection[str] = ()
    ) -> int | None:
        """The fewest groups with labelled rows of a split in any trial of these arms, or of all;
        None if unknown. Without `data.key` every row is a group.
        """
        arms = arms or self.arms()
        cells = [s for arm in arms for s in self.scores(arm, fraction).values()]
        counts = (scores.tasks[task].groups.get(split) for scores in cells)
        return min((c for c in counts if c), default=None)

    def _undefined(
        self, task: str, defined: Mapping[str, Collection[int]], fraction: float
    ) -> list[str]:
        """Seeds in which the metric is defined for one of two arms only. To leave them out could
        hide that an arm failed in them. defined: seeds by arm.
        """
        somewhere = set().union(*defined.values()) & set(self.seeds(fraction, *defined))
        return [
            f"{self.design.metrics[task]} of `{arm}` is undefined in seed {listed}"
            for arm, seeds in defined.items()
            if (listed := ", ".join(str(s + 1) for s in sorted(somewhere - set(seeds))))
        ]

    def _row_error(
        self, arm: str, against: str, fraction: float, task: str, seeds: list[int], split: str
    ) -> float | None:
        """The standard error of the mean difference that comes from the choice of rows.

        None if the metric is undefined on more than a few of the resamples.
        """
        ours, theirs = (self._samples(a, fraction, task, seeds, split) for a in (arm, against))
        known = (ours - theirs)[np.isfinite(ours - theirs)]
        if len(known) < max(2.0, (1 - MOST_UNDEFINED) * len(ours)):
            return None
        return float(np.std(known, ddof=1))

    def _samples(
        self, arm: str, fraction: float, task: str, seeds: list[int], split: str
    ) -> Floats:
        """float64 [replicates]: mean over seeds of the metric on resampled rows of a split."""
        tasks = [self.cells[Cell(arm, fraction, s)].tasks[task] for s in seeds]
        drawn = [t.resampled if split == "test" else t.resampled_val for t in tasks]
        metric = self.design.metrics[task]
        means: Floats = np.array([d[metric] for d in drawn], np.float64).mean(axis=0)
        return means

    def gaps(self, arm: str, fraction: float, task: str) -> dict[int, float]:
        """The generalization gap by seed: by how much the metric is better on training rows."""
        train, test = (self.by_seed(arm, fraction, task, s) for s in ("train", "test"))
        return {s: self.sign(task) * (train[s] - test[s]) for s in train.keys() & test.keys()}

    def errors(self, arm: str, task: str) -> dict[int, Floats]:
        """Test errors [seeds] by number of training rows: the metric, or 1 - metric."""
        by_rows = {}
        seeds = set.intersection(*(set(self.by_seed(arm, f, task)) for f in self.fractions))
        for fraction in self.fractions if seeds else []:
            values = self.by_seed(arm, fraction, task)
            array = np.array([values[s] for s in sorted(seeds)], np.float64)
            by_rows[self.rows[fraction]] = array if self.sign(task) < 0 else 1 - array
        return by_rows

    def relative_gain(self, arm: str, against: str, fraction: float) -> Floats:
        """Δm in percent, float64 [seeds]: mean relative difference over tasks; positive is better.

        Maninis et al. 2019, CVPR, equation 3; Vandenhende et al. 2021, TPAMI, equation 5. Only
        seeds for which the metrics of all tasks are defined.
        """
        by_task = []
        for task in self.design.metrics:
            ours, theirs = (self.by_seed(a, fraction, task) for a in (arm, against))
            seeds = ours.keys() & theirs.keys()
            changes = {s: self.sign(task) * (ours[s] - theirs[s]) for s in seeds}
            by_task.append({s: changes[s] / abs(theirs[s]) if theirs[s] else nan for s in seeds})
        complete = sorted(set.intersection(*map(set, by_task)))
        gains = [np.mean([of_task[s] for of_task in by_task]) for s in complete]
        return 100 * np.array(gains, np.float64)


def gather(
    prepared: Prepared, rows: Mapping[float, int], done: Iterable[Done], store: Store
) -> Evidence:
    """Collect the results of finished jobs; cells that lack a task are left out."""
    design = prepared.design
    tasks: dict[Cell, dict[str, TaskFigures]] = {}
    trials: dict[Cell, list[TrialFigures]] = {}
    spans: dict[Cell, list[tuple[float, float]]] = {}
    versions: dict[str, str] = {}
    for d in done:
        trial = load_figures(result_of(d.entry))
        versions |= d.entry.versions
        trials.setdefault(d.job.cell, []).append(trial)
        span = d.entry.created - d.entry.seconds, d.entry.created
        spans.setdefault(d.job.cell, []).append(span)
        tasks.setdefault(d.job.cell, {}).update({t: trial.tasks[t] for t in d.job.judged})
    cells = {
        cell: Scores(
            figures,
            tuple(trials[cell]),
            prepared.preparation(cell, store),
            (min(start for start, _ in spans[cell]), max(end for _, end in spans[cell])),
        )
        for cell, figures in tasks.items()
        if len(figures) == len(design.metrics)
    }
    return Evidence(design, rows, cells, prepared.overlap, versions, prepared.tuning)


def result_of(entry: Entry) -> TrialResult:
    """The result of a trial, also of one that another machine trained."""
    return entry.load(TrialOutputs).result  # baselines have the same
