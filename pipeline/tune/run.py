"""`rootstock tune`: search, report, and write the best spec."""

from __future__ import annotations

import contextlib
import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path

from components.data.atomic import write_whole
from components.errors import RootstockError
from pipeline.display import display_for
from pipeline.spec.load import load_spec
from pipeline.spec.runnable import runnable_specs
from pipeline.spec.sections import Spec
from pipeline.store.locks import locked
from pipeline.store.store import Store
from pipeline.tune.objective import objective_for
from pipeline.tune.record import record
from pipeline.tune.report import SearchResult, as_json, markdown
from pipeline.tune.search import Search, as_overrides, finished_trials, requeue_interrupted
from pipeline.tune.space import check_space
from pipeline.tune.trial import Outcome, SpecSource, attempt, train_unchanged
from pipeline.worker_pool import killed, worker_pool


def tune(
    path: Path,
    overrides: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    workers: int = 1,
    minutes: float | None = None,
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
    variables = variables or {}
    spec, _ = load_spec(path, overrides, variables)
    if not spec.tune.space:
        raise RootstockError(
            f"{path}: `tune.space` is empty. Expected, for example,\n"
            "tune:\n  space:\n    training.learning_rate: {low: 0.0003, high: 0.01, log: true}"
        )
    check_space(path, spec, overrides, variables)
    directory = Store(Path(spec.store)).open().root / "tuning" / spec.name
    directory.mkdir(parents=True, exist_ok=True)
    display = display_for(sys.stderr)
    source = SpecSource(path, tuple(overrides), variables)
    with (
        contextlib.closing(display),
        locked(directory / ".lock", wait=False) as ours,
        worker_pool(workers) as pool,
    ):
        if not ours:
            raise RootstockError(f"{directory}: another `rootstock tune` of this spec is running.")
        try:
            display.line(f"{spec.name}: training the original spec first")
            start = pool.submit(train_unchanged, source).result()
            objective = objective_for(spec, start.figures)
            name = _name(spec, start.fingerprint)
            search = Search(directory / "trials.db", name, spec.tune, spec.seed)
            end = None if minutes is None else began + 60 * minutes
            done = requeue_interrupted(search.open())
            if done:
                display.line(_already(done, spec.tune.trials))

            def submit(number: int) -> Future[Outcome]:
                return pool.submit(attempt, source, search, objective, number)

            outcomes = _outcomes(submit, range(done, spec.tune.trials), workers, end)
            for count, outcome in enumerate(outcomes, done + 1):
                display.line(f"{count} of {spec.tune.trials}: {_describe(outcome)}")
        except BrokenProcessPool as e:
            raise killed() from e
    result = SearchResult(spec, objective, start.figures, finished_trials(search.open()))
    _write(result, source, directory)
    record(result, directory, search.name)
    return directory


def _name(spec: Spec, fingerprint: str) -> str:
    """The name of the Optuna study: a hash of the original spec, its data and the search space."""
    key = repr((fingerprint, sorted(spec.tune.space.items()), sorted(spec.tune.metrics.items())))
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _outcomes(
    submit: Callable[[int], Future[Outcome]], numbers: range, workers: int, end: float | None
) -> Iterator[Outcome]:
    """Run the trials with these numbers and yield each outcome; stop when the time is up."""
    running: set[Future[Outcome]] = set()
    left = iter(numbers)
    while True:
        if end is None or time.monotonic() < end:
            running |= {submit(n) for n in islice(left, workers - len(running))}
        if not running:
            return
        finished, running = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            yield future.result()


def _already(done: int, trials: int) -> str:
    if done >= trials:
        return f"Nothing is left to try: {done} trials are finished already."
    return f"{done} of {trials} trials are finished already."


def _describe(outcome: Outcome) -> str:
    settings = ", ".join(outcome.overrides)
    if outcome.gain is None:
        return f"{settings}: {outcome.reason}"
    return f"{settings}: {outcome.gain:+.2f} %, {outcome.seconds:.1f} s"


def _write(result: SearchResult, source: SpecSource, directory: Path) -> None:
    """Write the report and, if a trial is better than the original spec, its spec."""
    tuned = directory / "tuned.yaml"
    tuned.unlink(missing_ok=True)
    if result.best is not None:
        best = as_overrides(result.best.params, result.spec.tune)
        (text,) = runnable_specs(
            source.path, [*source.overrides, *best], source.variables, [tuple(result.spec.tasks)]
        ).values()
        write_whole(tuned, text)
    write_whole(directory / "tuning.json", as_json(result))
    write_whole(directory / "report.md", markdown(result))
    print(markdown(result))
    if result.best is not None:
        print(f"To train it: rootstock run {tuned}")
