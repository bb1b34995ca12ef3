"""`rootstock study`: plan, trials, evidence, report."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from components.data.atomic import write_whole
from components.errors import RootstockError
from components.stage import BeamOptions
from pipeline.display import Display, Quiet, display_for
from pipeline.runner import Runner
from pipeline.spec.runnable import runnable_specs
from pipeline.store.store import Store
from pipeline.study.candidates import candidate_jobs, tuned
from pipeline.study.design import design
from pipeline.study.evidence import gather
from pipeline.study.findings import Findings, findings
from pipeline.study.jobs import Job, Prepared, prepared
from pipeline.study.plan import Plan, paces, plan
from pipeline.study.record import record
from pipeline.study.report import Affinities, markdown, write
from pipeline.study.workers import IN_PROCESS, Done, run_jobs


def study(
    path: Path,
    overrides: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    beam: BeamOptions = IN_PROCESS,
    workers: int = 1,
    minutes: float | None = None,
    plan_only: bool = False,
) -> Path | None:
    """Gather the evidence that a spec's study asks for, and report it.

    beam: where data stages run, and trials too if that is not this process. workers: trials at the
    same time on this machine. minutes: what all may take; the plan says what is left out.

    Returns:
        The directory of the report; None if only the plan was asked for.

    Raises:
        RootstockError: the spec, its data or an arm is not as it must be.
    """
    began = time.monotonic()
    if workers < 1:
        raise RootstockError(f"--workers: expected at least one, received {workers}.")
    asked = design(path, overrides, variables or {})
    display: Display = display_for(sys.stderr)
    store = Store(Path(asked.spec.store)).open()
    with contextlib.closing(display), Runner(store, display=Quiet(), beam=beam) as runner:
        display.line(f"{asked.spec.name}: preparing the data of {len(asked.arms)} arms")
        ready = prepared(asked, runner)
    planned = _planned(ready, store, workers, minutes, began, display)
    print(told(planned, workers, beam))
    if plan_only:
        return None
    end = None if minutes is None else began + 60 * minutes
    if beam != IN_PROCESS:  # it gives all results at the end: none is to be left out then
        end = None
    ready = tuned(planned.prepared, store, workers, display)
    jobs = tuple(ready.jobs(planned.fractions, planned.seeds))
    done = list(_watched(jobs, store, workers, end, display, beam))
    rows = {f: ready.rows_of(f) for f in planned.fractions}
    evidence = gather(ready.design, rows, done, ready.overlap)
    if not evidence.comparable:
        raise RootstockError(
            "The time was over before two seeds of the reference arm were there. Run the same"
            " command again: finished trials are kept."
        )
    found = findings(evidence)
    directory = store.root / "studies" / asked.spec.name
    changed = "".join(f"# --set {o}\n" for o in overrides)
    advised = _affinities(store.root / "advice" / asked.spec.name / "advice.json")
    write(found, changed + path.read_text(encoding="utf-8"), directory, advised)
    print(markdown(found))
    for file in _recommended(found, path, overrides, variables or {}, directory):
        print(f"Run it: rootstock run {file}")
    print(f"The report: {directory / 'report.html'}")
    record(found, directory)
    return directory


def _affinities(advice: Path) -> Affinities | None:
    """What `rootstock advise` has found, if it was asked."""
    told = json.loads(advice.read_text())["affinity"] if advice.exists() else None
    return told and Affinities(told["tasks"], told["mean"])


def _recommended(
    found: Findings,
    path: Path,
    overrides: Sequence[str],
    variables: Mapping[str, str],
    directory: Path,
) -> list[Path]:
    """Write the specs of the recommended arm, one for each of its models."""
    if found.recommendation is None:
        return []
    name = found.recommendation.arm
    arm = next(a for a in found.evidence.design.arms if a.name == name)
    specs = runnable_specs(
        path, [*overrides, *arm.overrides], variables, (m.tasks for m in arm.models)
    )
    for file, text in specs.items():
        write_whole(directory / file, text)
    return [directory / file for file in specs]


def _planned(
    ready: Prepared,
    store: Store,
    workers: int,
    minutes: float | None,
    began: float,
    display: Display,
) -> Plan:
    """The plan; short trials are run for its estimate unless every result is there."""
    everything = [
        *ready.jobs(tuple(sorted(ready.design.settings.fractions)), ready.design.seeds),
        *(job for arm in ready.design.arms for job in candidate_jobs(ready, arm)),
    ]
    if all(store.find(job.identity) is not None for job in everything):
        return plan(ready, {}, store, workers, None)
    probes = [ready.probe(arm) for arm in ready.design.arms]
    display.line(f"Trying each of {len(probes)} arms for a moment, to estimate the time")
    found = paces(ready.design.arms, run_jobs(probes, store, workers))
    left = None if minutes is None else max(0.0, minutes - (time.monotonic() - began) / 60)
    return plan(ready, found, store, workers, left)


def told(planned: Plan, workers: int, beam: BeamOptions = IN_PROCESS) -> str:
    """The plan, for people."""
    ready = planned.prepared
    asked = ready.design
    trials = {j.identity.fingerprint for j in (*planned.tuning, *planned.jobs)}
    rows = ", ".join(f"{ready.rows_of(f):,}" for f in planned.fractions)
    how = f"with {workers} at a time" if beam == IN_PROCESS else "one after the other"
    lines = [
        f"Plan: {len(trials)} trials, about {planned.seconds / 60:.1f} minutes {how}.",
        f"  arms       {', '.join(a.name for a in asked.arms if not a.control_of)}",
        f"  controls   {', '.join(a.name for a in asked.arms if a.control_of) or 'none'}",
        f"  baselines  {', '.join(asked.baselines) or 'none'}",
        f"  rows       {rows} for training",
        f"  seeds      {planned.seeds}",
        f"  tuning     {', '.join(a.name for a in asked.arms if a.candidates) or 'none'}",
        f"  budget     the same {asked.settings.budget} for every fraction; every task gets as many"
        " steps in every arm",
    ]
    lines += [f"  left out   {what}" for what in planned.dropped]
    lines += [f"  note       {note}" for note in asked.notes]
    return "\n".join(lines)


def _watched(
    jobs: Sequence[Job],
    store: Store,
    workers: int,
    end: float | None,
    display: Display,
    beam: BeamOptions,
) -> Iterator[Done]:
    """The results as they come, told one by one; after `end`, those that are there already."""
    cached = 0
    running = run_jobs(jobs, store, workers, beam)
    for count, done in enumerate(running, 1):
        yield done
        if done.cached:
            cached += 1
        else:
            cell = done.job.cell
            display.line(
                f"{count} of {len(jobs)}: {cell.arm} {'+'.join(done.job.judged)}, fraction"
                f" {cell.fraction:g}, seed {cell.seed + 1}: {done.entry.seconds:.1f} s"
            )
        if done.cached or end is None or time.monotonic() <= end:
            continue
        if count < len(jobs):
            display.line(f"The time is over: {len(jobs) - count} trials are left out.")
            running.close()
            return
    if cached:
        display.line(f"{cached} of {len(jobs)} trials were there already.")
