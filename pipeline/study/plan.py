"""How long a study will take, and what to leave out if that is too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median

from components.experiments.baseline import Baseline
from components.experiments.trial import Trial
from components.experiments.trial_result import load_figures
from components.training.choices import Situation, choose
from pipeline.store.store import Store
from pipeline.study.arms import PlannedArm
from pipeline.study.candidates import candidate_jobs
from pipeline.study.evidence import result_of
from pipeline.study.jobs import Job, Prepared
from pipeline.study.statistics import fewest_seeds
from pipeline.study.workers import Done

BASELINE_S = 5.0
"""Estimated time of a baseline."""


@dataclass(frozen=True)
class Timing:
    """Training times of an arm's model, in seconds.

    step: of an optimizer step. validation: of an epoch's validation. overhead: outside of epochs,
    such as compilation.
    """

    step: float
    validation: float
    overhead: float


@dataclass(frozen=True)
class StudyPlan:
    """What will be trained.

    tuning: trials that choose among the candidates of arms. jobs: all other trials. seconds:
    estimate for the trials without result. dropped: what was left out.
    """

    prepared: Prepared
    tuning: tuple[Job, ...]
    jobs: tuple[Job, ...]
    fractions: tuple[float, ...]
    seeds: int
    seconds: float
    dropped: tuple[str, ...] = ()


def timings_of(arms: Iterable[PlannedArm], probes: Iterable[Done]) -> dict[str, Timing]:
    """Timings by arm; an arm's candidates have the timing of the arm."""
    timings: dict[str, Timing] = {}
    for done in probes:
        figures = load_figures(result_of(done.entry))
        last, costs = figures.history[-1], figures.costs
        timings[done.job.cell.arm] = Timing(
            step=last["train_seconds"] / last["steps"],
            validation=last["seconds"] - last["train_seconds"],
            overhead=max(0.0, done.entry.seconds - costs.epochs * last["seconds"]),
        )
    return timings | {c.name: timings[arm.name] for arm in arms for c in arm.candidates}


def estimate(job: Job, timings: Mapping[str, Timing], rows: int) -> float:
    """Seconds of a trial.

    One that trains until it stops improving often reaches its best epoch after as many epochs as it
    then waits.
    """
    if isinstance(job.stage, Baseline):
        return BASELINE_S
    assert isinstance(job.stage, Trial)
    recipe, timing = job.stage.recipe, timings[job.cell.arm]
    training = choose(recipe.training, Situation(rows, recipe.transfer))
    epochs, stopping = training.epochs, training.early_stopping
    if recipe.training.epochs is None and stopping is not None:
        epochs = min(epochs, 2 * stopping.patience)
    batches = training.steps_per_epoch or -(-rows // training.batch_size)
    return timing.overhead + epochs * (batches * timing.step + timing.validation)


def plan(
    prepared: Prepared,
    timings: Mapping[str, Timing],
    store: Store,
    workers: int,
    minutes: float | None,
) -> StudyPlan:
    """The whole design, or the part of it that fits into `minutes`.

    What is left out, in this order, until it fits: fractions between the smallest and the largest;
    controls; seeds beyond the fewest that allow a verdict; the smallest fraction;
    more seeds, down to two.
    """
    design, dropped = prepared.design, list[str]()
    fractions, seeds = tuple(sorted(design.settings.fractions)), design.seeds
    least = min(seeds, fewest_seeds(len(design.metrics), design.settings.alpha))
    finished = _finished(prepared, store)
    while True:
        jobs = tuple(prepared.jobs(fractions, seeds))
        tuning = tuple(j for arm in prepared.design.arms for j in candidate_jobs(prepared, arm))
        both = (*tuning, *jobs)
        left = {j.identity.fingerprint: j for j in both if store.find(j.identity) is None}
        times = [
            finished.get(_all_but_seed(j))
            or estimate(j, timings, prepared.rows_of(j.cell.fraction))
            for j in left.values()
        ]
        seconds = sum(times) / workers
        if minutes is None or seconds <= 60 * minutes:
            return StudyPlan(prepared, tuning, jobs, fractions, seeds, seconds, tuple(dropped))
        controls = [a.name for a in prepared.design.arms if a.control_of]
        if len(fractions) > 2:
            middle = fractions[len(fractions) // 2]
            fractions = tuple(f for f in fractions if f != middle)
            dropped.append(f"fraction {middle:g}")
        elif controls:
            without = replace(prepared.design, arms=prepared.design.compared)
            prepared = replace(prepared, design=without)
            dropped.append("controls " + ", ".join(controls))
        elif seeds > least:
            seeds -= 1
            dropped.append(f"seed {seeds + 1}")
        elif len(fractions) > 1:
            dropped.append(f"fraction {fractions[0]:g}")
            fractions = fractions[1:]
        elif seeds > 2:
            seeds -= 1
            dropped.append(f"seed {seeds + 1}: the only possible verdict is `undecided`")
        else:
            dropped.append("nothing more: this is the smallest possible study")
            return StudyPlan(prepared, tuning, jobs, fractions, seeds, seconds, tuple(dropped))


def _finished(prepared: Prepared, store: Store) -> dict[tuple[object, ...], float]:
    """Median seconds of finished trials, by everything but the seed.

    They predict other seeds better than a `Timing` does.
    """
    design, seconds = prepared.design, dict[tuple[object, ...], list[float]]()
    for job in prepared.jobs(design.settings.fractions, design.seeds):
        if (entry := store.find(job.identity)) is not None:
            seconds.setdefault(_all_but_seed(job), []).append(entry.seconds)
    return {key: median(values) for key, values in seconds.items()}


def _all_but_seed(job: Job) -> tuple[object, ...]:
    return job.cell.arm, job.cell.fraction, job.judged
