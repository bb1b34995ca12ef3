"""How long a study will take, and what to leave out where that is too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median

from components.experiments.baseline import Baseline
from components.experiments.trial import Trial
from components.experiments.trial_result import load_figures
from pipeline.store.store import Store
from pipeline.study.arms import PlannedArm
from pipeline.study.candidates import candidate_jobs
from pipeline.study.evidence import result_of
from pipeline.study.jobs import Job, Prepared
from pipeline.study.statistics import fewest_seeds
from pipeline.study.workers import Done

BASELINE_S = 5.0
"""What a baseline is taken to last: it is not tried beforehand."""


@dataclass(frozen=True)
class Pace:
    """How fast an arm's model trains, in seconds. apart: beside the epochs, compilation too."""

    step: float
    validation: float
    apart: float


@dataclass(frozen=True)
class Plan:
    """What is trained. seconds: estimated, for what has no result yet. dropped: what is not.

    tuning: trials by which arms are chosen among their candidates. jobs: the others.
    """

    prepared: Prepared
    tuning: tuple[Job, ...]
    jobs: tuple[Job, ...]
    fractions: tuple[float, ...]
    seeds: int
    seconds: float
    dropped: tuple[str, ...] = ()


def paces(arms: Iterable[PlannedArm], probes: Iterable[Done]) -> dict[str, Pace]:
    """By arm; an arm's candidates have its own."""
    found: dict[str, Pace] = {}
    for done in probes:
        figures = load_figures(result_of(done.entry))
        last = figures.history[-1]
        steps = figures.costs.steps / figures.costs.epochs
        found[done.job.cell.arm] = Pace(
            step=last["train_seconds"] / steps,
            validation=last["seconds"] - last["train_seconds"],
            apart=max(0.0, done.entry.seconds - figures.costs.epochs * last["seconds"]),
        )
    return found | {c.name: found[arm.name] for arm in arms for c in arm.candidates}


def estimate(job: Job, paces: Mapping[str, Pace], rows: int) -> float:
    """Seconds that a job will take."""
    if isinstance(job.stage, Baseline):
        return BASELINE_S
    assert isinstance(job.stage, Trial)
    training, pace = job.stage.recipe.training, paces[job.cell.arm]
    batches = training.steps_per_epoch or -(-rows // training.batch_size)
    return pace.apart + training.epochs * (batches * pace.step + pace.validation)


def plan(
    prepared: Prepared,
    paces: Mapping[str, Pace],
    store: Store,
    workers: int,
    minutes: float | None,
) -> Plan:
    """All that the design asks for, or what of it fits into so many minutes.

    Left out, in this order, until it fits: fractions between the smallest and the largest;
    controls; seeds beyond the fewest that can decide anything; the smallest fraction; further
    seeds, down to two.
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
            finished.get(_alike(j)) or estimate(j, paces, prepared.rows_of(j.cell.fraction))
            for j in left.values()
        ]
        seconds = sum(times) / workers
        if minutes is None or seconds <= 60 * minutes:
            return Plan(prepared, tuning, jobs, fractions, seeds, seconds, tuple(dropped))
        controls = tuple(a for a in prepared.design.arms if a.control_of)
        if len(fractions) > 2:
            middle = fractions[len(fractions) // 2]
            fractions = tuple(f for f in fractions if f != middle)
            dropped.append(f"fraction {middle:g}")
        elif controls:
            prepared = _without(prepared, controls)
            dropped.append("controls " + ", ".join(a.name for a in controls))
        elif seeds > least:
            seeds -= 1
            dropped.append(f"seed {seeds + 1}")
        elif len(fractions) > 1:
            dropped.append(f"fraction {fractions[0]:g}")
            fractions = fractions[1:]
        elif seeds > 2:
            seeds -= 1
            dropped.append(f"seed {seeds + 1}: no verdict but `equivalent` can be reached")
        else:
            dropped.append("nothing more: this is the least that can be compared")
            return Plan(prepared, tuning, jobs, fractions, seeds, seconds, tuple(dropped))


def _finished(prepared: Prepared, store: Store) -> dict[tuple[object, ...], float]:
    """Seconds of trials that are there already, by what others are like: they tell more than a
    pace.
    """
    design, found = prepared.design, dict[tuple[object, ...], list[float]]()
    for job in prepared.jobs(design.settings.fractions, design.seeds):
        if (entry := store.find(job.identity)) is not None:
            found.setdefault(_alike(job), []).append(entry.seconds)
    return {like: median(seconds) for like, seconds in found.items()}


def _alike(job: Job) -> tuple[object, ...]:
    """Jobs that differ by their seed alone are alike."""
    return job.cell.arm, job.cell.fraction, job.judged


def _without(prepared: Prepared, arms: tuple[PlannedArm, ...]) -> Prepared:
    kept = tuple(a for a in prepared.design.arms if a not in arms)
    return replace(prepared, design=replace(prepared.design, arms=kept))
