"""`rootstock tune`: search, report, and write the best spec."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

from components.data.atomic import write_whole
from components.errors import RootstockError
from pipeline.display import Verbosity, near, showing
from pipeline.spec.load import SpecSource
from pipeline.spec.runnable import runnable_specs
from pipeline.spec.sections import Spec
from pipeline.store.locks import locked
from pipeline.store.place import local
from pipeline.store.store import Store
from pipeline.tune.objective import objective_for
from pipeline.tune.page import page
from pipeline.tune.record import record
from pipeline.tune.report import SearchResult, as_json, markdown, text
from pipeline.tune.search import Search, as_overrides, finished_trials, requeue_interrupted
from pipeline.tune.space import check_space
from pipeline.tune.trial import Outcome, attempt, train_unchanged
from pipeline.worker_pool import results, worker_pool


def tune(
    path: Path,
    overrides: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    workers: int = 1,
    minutes: float | None = None,
    verbosity: Verbosity = "normal",
) -> Path:
    """Search the space in the `tune` section of a spec file; finished trials are not repeated.

    workers: concurrent trials. With several, the search depends on the order in which they finish,
    so it is not reproducible. minutes: no trial starts after this time.

    Returns:
        The directory of the report.

    Raises:
        RootstockError: the spec, its data or its search space is invalid.
    """
    began = time.monotonic()
    if workers < 1:
        raise RootstockError(f"--workers: expected at least one, received {workers}.")
    source = SpecSource(path, tuple(overrides), variables or {})
    spec = source.of_one_model()
    if not spec.tune.space:
        raise RootstockError(
            f"{path}: `tune.space` is empty. Expected, for example,\n"
            "tune:\n  space:\n    training.learning_rate: {low: 0.0003, high: 0.01, log: true}"
        )
    check_space(source, spec)
    directory = Store(local(spec.store)).open().root / "tuning" / spec.name
    directory.mkdir(parents=True, exist_ok=True)
    with (
        showing(local(spec.store), verbosity) as display,
        locked(directory / ".lock", wait=False) as ours,
        worker_pool(workers) as pool,
    ):
        if not ours:
            raise RootstockError(f"{directory}: another `rootstock tune` of this spec is running.")
        display.line(f"{spec.name}: training the original spec first")
        fingerprint, base = pool.submit(train_unchanged, source).result()
        objective, name = objective_for(spec, base), _name(spec, fingerprint)
        search = Search(directory / "trials.db", name, spec.tune, spec.seed)
        end = None if minutes is None else began + 60 * minutes
        done, trials = requeue_interrupted(search.open()), spec.tune.trials
        if done >= trials:
            display.line(f"Nothing is left to try: {done} trials are finished already.")
        elif done:
            display.line(f"{done} of {trials} trials are finished already.")

        def submit(number: int) -> Future[Outcome]:
            return pool.submit(attempt, source, search, objective, number)

        outcomes = results(submit, range(done, trials), workers, end)
        for count, (_, outcome) in enumerate(outcomes, done + 1):
            display.line(f"{count} of {trials}: {_describe(outcome)}")
    result = SearchResult(spec, objective, base, finished_trials(search.open()))
    _write(result, source, directory)
    record(result, directory, search.name)
    return directory


def _name(spec: Spec, fingerprint: str) -> str:
    """The name of the Optuna study: a hash of the original spec, its data and the search space."""
    key = repr((fingerprint, sorted(spec.tune.space.items()), sorted(spec.tune.metrics.items())))
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _describe(outcome: Outcome) -> str:
    trained = f"{outcome.gain:+.2f} %, {outcome.seconds:.1f} s" if outcome.gain is not None else ""
    return f"{', '.join(outcome.overrides)}: {trained or outcome.reason}"


def _write(result: SearchResult, source: SpecSource, directory: Path) -> None:
    """Write the report and, if a trial is better than the original spec, its spec."""
    tuned = directory / "tuned.yaml"
    tuned.unlink(missing_ok=True)
    if result.best is not None:
        best = as_overrides(result.best.params, result.spec.tune)
        (content,) = runnable_specs(source, best, [tuple(result.spec.tasks)]).values()
        write_whole(tuned, content)
    write_whole(directory / "tuning.json", as_json(result))
    write_whole(directory / "report.md", markdown(result))
    write_whole(directory / "tuning.html", page(result))
    print(text(result))
    print(f"Report: {near(directory / 'tuning.html')}")
    if result.best is not None:
        print(f"To train it: rootstock run {near(tuned)}")
