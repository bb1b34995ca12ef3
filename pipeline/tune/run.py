"""`rootstock tune`: search, tell, write the spec that is best."""

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
from pipeline.tune.objective import against
from pipeline.tune.record import record
from pipeline.tune.report import SearchResult, as_json, markdown
from pipeline.tune.search import Search, over, overrides, revive
from pipeline.tune.space import check_space
from pipeline.tune.trial import Outcome, SpecSource, attempt, train_unchanged
from pipeline.worker_pool import killed, worker_pool


def tune(
    path: Path,
    given: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    workers: int = 1,
    minutes: float | None = None,
) -> Path:
    """Search the space of a spec file's `tune` section; what is there already is not done again.

    given: overrides of the spec. workers: trials at the same time; with several, the order in which
    they end decides what the search learns, and so what it tries. minutes: after which no trial
    begins.

    Returns:
        The directory of the report.

    Raises:
        RootstockError: the spec, its data or its space is not as it must be.
    """
    began = time.monotonic()
    if workers < 1:
        raise RootstockError(f"--workers: expected at least one, received {workers}.")
    variables = variables or {}
    spec, _ = load_spec(path, given, variables)
    if not spec.tune.space:
        raise RootstockError(
            f"{path}: `tune` names nothing to tune. Expected for instance\n"
            "tune:\n  space:\n    training.learning_rate: {low: 0.0003, high: 0.01, log: true}"
        )
    check_space(path, spec, given, variables)
    directory = Store(Path(spec.store)).open().root / "tuning" / spec.name
    directory.mkdir(parents=True, exist_ok=True)
    display = display_for(sys.stderr)
    asked = SpecSource(path, tuple(given), variables)
    with (
        contextlib.closing(display),
        locked(directory / ".lock", wait=False) as ours,
        worker_pool(workers) as pool,
    ):
        if not ours:
            raise RootstockError(f"{directory}: another `rootstock tune` is at work there.")
        try:
            display.line(f"{spec.name}: first the spec as it is")
            start = pool.submit(train_unchanged, asked).result()
            objective = against(spec, start.figures)
            name = _name(spec, start.fingerprint)
            search = Search(directory / "trials.db", name, spec.tune, spec.seed)
            end = None if minutes is None else began + 60 * minutes
            done = revive(search.open())
            if done:
                display.line(_already(done, spec.tune.trials))

            def submit(number: int) -> Future[Outcome]:
                return pool.submit(attempt, asked, search, objective, number)

            outcomes = _outcomes(submit, range(done, spec.tune.trials), workers, end)
            for count, outcome in enumerate(outcomes, done + 1):
                display.line(f"{count} of {spec.tune.trials}: {_told(outcome)}")
        except BrokenProcessPool as e:
            raise killed() from e
    found = SearchResult(spec, objective, start.figures, over(search.open()))
    _write(found, asked, directory)
    record(found, directory, search.name)
    return directory


def _name(spec: Spec, fingerprint: str) -> str:
    """Of the Optuna study: of what trials are measured against, and from where they are drawn."""
    told = repr((fingerprint, sorted(spec.tune.space.items()), sorted(spec.tune.metrics.items())))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _outcomes(
    submit: Callable[[int], Future[Outcome]], numbers: range, workers: int, end: float | None
) -> Iterator[Outcome]:
    """Trials of these numbers as they end, until all have or the time is over."""
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
        return f"Nothing is left to try: {done} trials were there already."
    return f"{done} of {trials} trials were there already."


def _told(outcome: Outcome) -> str:
    tried = ", ".join(outcome.overrides)
    if outcome.gain is None:
        return f"{tried}: {outcome.said}"
    return f"{tried}: {outcome.gain:+.2f} %, {outcome.seconds:.1f} s"


def _write(found: SearchResult, asked: SpecSource, directory: Path) -> None:
    """The report, and the spec with what was found if that is better."""
    tuned = directory / "tuned.yaml"
    tuned.unlink(missing_ok=True)
    if found.best is not None:
        told = overrides(found.best.params, found.spec.tune)
        (text,) = runnable_specs(
            asked.path, [*asked.overrides, *told], asked.variables, [tuple(found.spec.tasks)]
        ).values()
        write_whole(tuned, text)
    write_whole(directory / "tuning.json", as_json(found))
    write_whole(directory / "report.md", markdown(found))
    print(markdown(found))
    if found.best is not None:
        print(f"Run it: rootstock run {tuned}")
