"""`rootstock study`: plan, run trials, draw conclusions, write the report."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path

from components.charts import HeatMap
from components.data.atomic import write_whole
from components.errors import RootstockError
from components.stage import BeamOptions
from models.masked_url import without_secrets
from pipeline.display import Display, Verbosity, WithoutLines, near, showing
from pipeline.report.tables import prose
from pipeline.runner import Runner
from pipeline.spec.load import SpecSource
from pipeline.spec.runnable import runnable_specs
from pipeline.store.place import local
from pipeline.store.store import Store
from pipeline.study.candidates import candidate_jobs, tuned
from pipeline.study.design import design
from pipeline.study.evidence import gather
from pipeline.study.findings import Findings, draw_conclusions
from pipeline.study.jobs import Prepared, prepared
from pipeline.study.plan import StudyPlan, plan, timings_of
from pipeline.study.record import record
from pipeline.study.report import write_report
from pipeline.study.report.page import affinity_map
from pipeline.study.report.terminal import closing
from pipeline.study.workers import IN_PROCESS, Done, run_jobs


def study(
    path: Path,
    overrides: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    beam: BeamOptions = IN_PROCESS,
    workers: int = 1,
    minutes: float | None = None,
    plan_only: bool = False,
    verbosity: Verbosity = "normal",
) -> Path | None:
    """Run the study of a spec and write its report.

    beam: the runner of data stages; trials run there too, unless it is this process. workers:
    concurrent trials on this machine. minutes: time limit; the plan says what is left out.

    Returns:
        The directory of the report; None with `plan_only`.

    Raises:
        RootstockError: the spec, its data or an arm is invalid.
    """
    began = time.monotonic()
    if workers < 1:
        raise RootstockError(f"--workers: expected at least one, received {workers}.")
    source = SpecSource(path, tuple(overrides), variables or {})
    planned_design = design(source)
    spec = planned_design.spec
    store = Store(local(spec.store)).open()
    end = None if minutes is None else began + 60 * minutes
    with showing(store.root, verbosity) as display:
        display.line(f"{spec.name}: preparing the data of {len(planned_design.arms)} arms")
        with Runner(store, display=WithoutLines(display), beam=beam) as runner:
            ready = prepared(planned_design, runner)
        planned = _planned(ready, store, workers, end, display)
    print(plan_text(planned, workers, beam))
    if plan_only:
        return None
    with showing(store.root, verbosity) as display:
        ready = tuned(planned.prepared, store, workers, display)
        jobs = tuple(ready.jobs(planned.fractions, planned.seeds))
        running = run_jobs(jobs, store, workers, beam)
        if beam != IN_PROCESS:  # all results come at the end, so none can be skipped
            end = None
        done = list(_watched(running, len(jobs), end, display))
    rows = {f: ready.rows_of(f) for f in planned.fractions}
    evidence = gather(ready, rows, done, store)
    if not evidence.comparable:
        raise RootstockError(
            "The time was up before two seeds of the reference arm were finished. Run the same"
            " command again: finished trials are kept."
        )
    findings = draw_conclusions(evidence)
    directory = store.root / "studies" / spec.name
    text = "".join(f"# --set {o}\n" for o in overrides) + path.read_text(encoding="utf-8")
    text = without_secrets(text, named=False)
    write_report(findings, text, directory, _affinities(store.root / "advice" / spec.name))
    print(closing(findings))
    for name, content in _recommended(findings, source).items():
        write_whole(directory / name, content)
        print(f"To train it: rootstock run {near(directory / name)}")
    print(f"All comparisons, costs, and how to read them: {near(directory / 'report.html')}")
    record(findings, directory)
    return directory


def _affinities(advice: Path) -> HeatMap | None:
    """The affinities that `rootstock advise` measured, if it ran. advice: its directory."""
    file = advice / "advice.json"
    affinity = json.loads(file.read_text())["affinity"] if file.exists() else None
    return affinity and affinity_map(affinity["tasks"], affinity["mean"])


def _recommended(findings: Findings, source: SpecSource) -> dict[str, str]:
    """The specs of the recommended arm by file name, one for each of its models."""
    if (recommended := findings.recommendation) is None:
        return {}
    arm = next(a for a in findings.evidence.design.arms if a.name == recommended.arm)
    return runnable_specs(source, arm.overrides, (m.tasks for m in arm.models))


def _planned(
    ready: Prepared, store: Store, workers: int, end: float | None, display: Display
) -> StudyPlan:
    """The plan. Unless all results exist, short trials run first, to estimate the time."""
    design = ready.design
    jobs = [*ready.jobs(design.settings.fractions, design.seeds)]
    jobs += [job for arm in design.arms for job in candidate_jobs(ready, arm)]
    if all(store.find(job.identity) is not None for job in jobs):
        return plan(ready, {}, store, workers, None)
    probes = [ready.probe(arm) for arm in design.arms]
    display.line(f"Short trials of {len(probes)} arms, to estimate the time")
    timings = timings_of(design.arms, run_jobs(probes, store, workers))
    left = None if end is None else max(0.0, end - time.monotonic()) / 60
    return plan(ready, timings, store, workers, left)


def plan_text(planned: StudyPlan, workers: int, beam: BeamOptions = IN_PROCESS) -> str:
    design = planned.prepared.design
    trials = {j.identity.fingerprint for j in (*planned.tuning, *planned.jobs)}
    rows = ", ".join(f"{planned.prepared.rows_of(f):,}" for f in planned.fractions)
    how = f"with {workers} at a time" if beam == IN_PROCESS else "one after another"
    lines = [
        f"Plan: {len(trials)} trials, about {planned.seconds / 60:.1f} minutes {how}.",
        f"  arms       {', '.join(a.name for a in design.compared)}",
        f"  controls   {', '.join(a.name for a in design.arms if a.control_of) or 'none'}",
        f"  baselines  {', '.join(design.baselines) or 'none'}",
        f"  rows       {rows} for training",
        f"  seeds      {planned.seeds}",
        f"  tuning     {', '.join(a.name for a in design.arms if a.candidates) or 'none'}",
        f"  budget     the same {design.settings.budget} for every fraction, and the same number of"
        " steps per task in every arm",
    ]
    lines += [f"  left out   {part}" for part in planned.dropped]
    lines += [f"  note       {note}" for note in design.notes]
    return prose("\n".join(lines), indent=len("  baselines  "))


def _watched(
    running: Generator[Done, None, None], jobs: int, end: float | None, display: Display
) -> Iterator[Done]:
    """Yield the results as they come and print each; after `end`, only those that exist already."""
    cached = 0
    for count, done in enumerate(running, 1):
        yield done
        if done.cached:
            cached += 1
        else:
            cell = done.job.cell
            display.line(
                f"{count} of {jobs}: {cell.arm} {'+'.join(done.job.judged)}, fraction"
                f" {cell.fraction:g}, seed {cell.seed + 1}: {done.entry.seconds:.1f} s"
            )
        if done.cached or end is None or time.monotonic() <= end:
            continue
        if count < jobs:
            display.line(f"The time is up: {jobs - count} trials are left out.")
            running.close()
            return
    if cached:
        display.line(f"{cached} of {jobs} trials were in the store already.")
