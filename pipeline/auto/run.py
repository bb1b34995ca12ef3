"""`rootstock auto`: from a file or folder to the best served model within a time budget."""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from components.data.atomic import write_whole
from components.errors import RootstockError
from models.masked_url import without_secrets
from models.multitask.record import read_record
from models.tasks.base import Costs
from pipeline.auto.answers import answer_changes, sentences
from pipeline.auto.attempt import Survey, one_row_ms, survey
from pipeline.auto.candidate import Choice, check_trunks, choices, expected_of
from pipeline.auto.closing import Said, closing, on_what_is_served
from pipeline.auto.ensemble import combined
from pipeline.auto.latency import within_latency
from pipeline.auto.leaderboard import Leaderboard
from pipeline.auto.next_steps import next_steps
from pipeline.auto.page import page
from pipeline.auto.progress import Progress, progress_for
from pipeline.auto.ranking import Metrics
from pipeline.auto.record import record
from pipeline.auto.reserve import MEMBER_S, RESERVE_S, at_first, keep_more, unused
from pipeline.auto.search import SEEDS, Clock, Search, last_rung
from pipeline.auto.served_spec import write_spec
from pipeline.auto.state import Ensemble, Request, State, read_state, write_state
from pipeline.auto.variants import combinations_of, longer, reseeded
from pipeline.auto.worker import Crashed, Overdue, Worker
from pipeline.display import Verbosity, showing_on
from pipeline.flow import PipelineResult
from pipeline.run import run
from pipeline.spec.load import SpecSource
from pipeline.spec.metrics import chosen_metrics, sign
from pipeline.spec.sections import Spec
from pipeline.spec.starter import FEW_LABELS, write_starter
from pipeline.store.locks import locked

GRACE = 0.04
"""Share of the budget by which measuring columns may pass it."""
LEAST_MINUTES = 0.5


@dataclass(frozen=True)
class AutoResult:
    """The outcome of a search. directory: with `best.yaml`, and the leaderboard as
    `leaderboard.html`, `leaderboard.md` and `leaderboard.json`.
    """

    directory: Path
    leaderboard: Leaderboard
    pipeline: PipelineResult


def auto(
    data: Path,
    labels: Sequence[str] = (),
    minutes: float = 10.0,
    metrics: Mapping[str, str] | None = None,
    group: str | None = None,
    trunks: Sequence[str] = (),
    output: Path | None = None,
    verbosity: Verbosity = "normal",
    latency_ms: float | None = None,
    costs: Mapping[str, Costs] | None = None,
    began: float | None = None,
) -> AutoResult:
    """Find the best model for some data, evaluate it on test rows that took no part, and push it.

    The same call again continues a search that was stopped, within the rest of its minutes.

    Args:
        data: a file, or a folder of files, as for `rootstock init`.
        labels: columns to predict.
        minutes: for all of it, from reading the data to pushing the model.
        metrics: by task, by which candidates are compared; the first of its kind when absent.
        group: a column whose values mark rows that belong together, such as those of a patient:
            they are never divided between training and test.
        trunks: pretrained trunks to try, each in YAML as in `model.trunk`.
        output: a directory for specs, results and the model; `<name of the data>-auto` if absent.
        verbosity: how much is printed meanwhile.
        latency_ms: the longest time in which the model may answer one row, on this machine; see
            `pipeline.auto.latency`.
        costs: of wrong answers by task, of which the threshold of yes follows; "" is for all.
        began: when the time began, as of `time.monotonic`; now, if absent.

    Raises:
        RootstockError: the data cannot be used, the budget is too small for any model, or no model
            answers within `latency_ms`.
    """
    began = time.monotonic() if began is None else began
    if latency_ms is not None and not latency_ms > 0:
        raise RootstockError(f"--latency-ms: expected more than 0, received {latency_ms:g}.")
    if minutes < LEAST_MINUTES:
        raise RootstockError(
            f"--minutes: expected at least {LEAST_MINUTES:g}, received {minutes:g}. Reading data"
            " and exporting a model alone take about half a minute."
        )
    directory = output or Path(f"{_stem(data)}-auto")
    directory.mkdir(parents=True, exist_ok=True)
    request = Request(data=str(data.absolute()), labels=tuple(labels), group=group)
    with (
        showing_on(directory / ".rootstock", verbosity, progress_for) as display,
        locked(directory / ".lock", wait=False) as ours,
    ):
        if not ours:
            raise RootstockError(f"{directory}: another `rootstock auto` is running there.")
        file = directory / "state.json"
        state = _state(file, request)
        source = _source(data, request, directory, display)
        write_state(state, file)  # so that the spec is not taken for that of another request
        check_trunks(source, trunks)
        compared = _compared(source.of_one_model(), metrics or {})
        source = replace(source, overrides=answer_changes(source, compared, costs or {}))
        found = list(choices(source, trunks))
        clock = Clock(60 * minutes, state.spent, began)
        reserve = at_first(clock.seconds, latency_ms is not None)
        search = Search(source, found, compared, clock, reserve, file, state, display, rows=0)
        search.latency_ms = latency_ms
        board = _searched(search, minutes, directory)
        spec = write_spec(board, source, directory)
        display.line(f"{board.winner.name}: exporting, testing and pushing")
    result = run(spec, verbosity=verbosity, wait=False)
    from serving.server.saved_model import SavedModel

    served, rows = SavedModel(result.model.saved_model), (board.rows, board.winner.rows)
    latencies = {**board.state.latencies, board.winner.name: one_row_ms(served, result.model)}
    key, left = source.of_one_model().data.key, clock.left() + GRACE * clock.seconds
    model, examples = result.model, result.examples
    steps = next_steps(board.state, board.metrics, *rows, model, served, examples, key, left)
    state = replace(board.state, spent=round(clock.spent, 1), latencies=latencies)
    evaluation = json.loads((result.evaluation.path / "evaluation.json").read_text())
    answers = tuple(sentences(read_record(model.path), evaluation))
    board = replace(board, state=state, next_steps=steps, answers=answers)
    write_state(state, file)
    said = list(on_what_is_served(board, result))
    write_report(board, said, directory)
    print(closing(board, said, directory), flush=True)
    record(board, source.spec(), directory)
    return AutoResult(directory, board, result)


def _stem(data: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "", data.resolve().name.split(".")[0]) or "data"


def _state(file: Path, request: Request) -> State:
    """The state of the same search, or a new one.

    Raises:
        RootstockError: the directory has another search.
    """
    if (state := read_state(file)) is None:
        return State(request=request)
    if state.request != request:
        raise RootstockError(
            f"{file.parent} has a search for {_asked(state.request)}. This one is for"
            f" {_asked(request)}. Give another directory with --output, or remove that one."
        )
    return state


def _asked(request: Request) -> str:
    labels = ", ".join(request.labels) or "the class of each folder"
    return f"{request.data}: {labels}" + (f", groups {request.group}" if request.group else "")


def _source(data: Path, request: Request, directory: Path, display: Progress) -> SpecSource:
    """The spec of `init`, written unless there is one from an earlier command.

    Raises:
        RootstockError: the data cannot be read, or the spec predicts something else.
    """
    path = directory / "spec.yaml"
    if not path.exists():
        for note in write_starter(data, request.labels, path, request.group, asks=False):
            display.line(note)
    source = SpecSource(path)
    labels = {task.label for task in source.of_one_model().tasks.values()}
    if request.labels and labels != set(request.labels):
        raise RootstockError(
            f"{path} predicts {', '.join(sorted(labels))}, but --label names"
            f" {', '.join(request.labels)}. Give another directory with --output, or remove it."
        )
    if request.group and request.group not in (key := source.of_one_model().data.key):
        raise RootstockError(
            f"{path} keeps rows together by {', '.join(key) or 'nothing'}, but --group names"
            f" {request.group}. Set data.key to [{request.group}] there, or remove that file."
        )
    return source


def _compared(spec: Spec, named: Mapping[str, str]) -> Metrics:
    """How candidates are compared.

    Raises:
        RootstockError: a metric or task is unknown.
    """
    try:
        metrics = chosen_metrics(spec, "auto", _by_task(spec, named))
    except RootstockError as e:
        raise RootstockError(str(e).replace("auto.metrics", "--metric")) from e
    return Metrics(metrics, {t: sign(spec, t, m) for t, m in metrics.items()})


def _searched(search: Search, minutes: float, directory: Path) -> Leaderboard:
    """Run the search. directory: for the specs of models that are exported to be timed.

    Raises:
        RootstockError: there was no time for a single model, none could be trained, or none answers
            fast enough.
    """
    display, state, found = search.display, search.state, search.choices
    names = ", ".join(c.name for c in found)
    display.line(f"{minutes:g} minutes, {len(found)} candidates: {names}")
    if state.trials:
        display.line(f"{len(state.trials)} trials and {state.spent:.0f} s are behind us.")
    search.choices = [*found, *([longer(state.longer)] if state.longer else ())]
    worker, untried = Worker(search.save), search.untried
    try:
        seen = _survey(search, worker, minutes)
        content = search.source.path.read_bytes() + json.dumps(search.source.overrides).encode()
        text = hashlib.sha256(content).hexdigest()[:16]
        search.state = state.on(f"{seen.digest} {text}", _by_name(search))
        search.rows, search.labelled = seen.rows["train"], min(seen.labelled.values())
        if max(seen.labelled.values()) < FEW_LABELS:  # else some task can tell
            search.metrics = replace(search.metrics, expected=expected_of(found))
        keep_more(search, seen.start_s)
        search.run(worker)
        if last_rung(search.state) is None:
            raise RootstockError(_nothing(search, minutes))
        if search.state.combined != len(search.state.trials):
            search.state = search.state.with_ensemble(_ensemble(search, worker))
        by_name = _by_name(search)
        board = Leaderboard(search.state, by_name, search.metrics, search.rows, minutes, untried)
        board = replace(board, rest=unused(search, minutes))
        if search.latency_ms is not None:
            board = within_latency(board, search, worker, directory)
    finally:
        worker.close()
        search.save()
    return board


def _by_name(search: Search) -> Mapping[str, Choice]:
    """All candidates, also from other seeds."""
    choices = [*search.choices, *combinations_of(search.choices).values()]
    seeds = (reseeded(c, s) for s in range(2, SEEDS + 1) for c in choices)
    return {c.name: c for c in (*choices, *seeds)}


def _survey(search: Search, worker: Worker, minutes: float) -> Survey:
    """Read the data. If there are trials, it was read before, and takes no time of the budget.

    Raises:
        RootstockError: the data does not fit the spec, there was no time, or there is nothing to
            compare models on.
    """
    until = math.inf if search.state.trials else search.clock.end - search.reserve
    try:
        seen = worker(survey, search.source, until=until)
    except Overdue:
        raise RootstockError(
            f"{minutes:g} minutes were over before the data was read. Run the same command with"
            " more --minutes: what was read is kept."
        ) from None
    except Crashed as e:
        raise RootstockError(f"reading the data: {e}") from e
    if not seen.rows.get("val"):
        raise RootstockError(
            f"{search.source.path}: data.splits leaves no validation rows to compare models on."
            " Expected a share for `val`, or a source with `split: val`. Change the file and run"
            " the same command again."
        )
    return seen


def _ensemble(search: Search, worker: Worker) -> Ensemble | None:
    """The ensemble of the best candidates on all rows, as far as there is time to export it. None
    where one is expected to be best: then validation rows are too few to tell who belongs in it.
    """
    if search.metrics.expected:
        return None
    ranked = search.metrics.ranked(search.state.at(search.rows))
    most = int((search.clock.left() - RESERVE_S) // MEMBER_S)
    tied = search.metrics.tied(ranked)[: max(most, 0)] if ranked else []
    if len(tied) < 2:
        return None
    try:
        return worker(combined, search.source, tied, search.metrics, until=search.clock.end)
    except (Overdue, Crashed) as e:
        search.untried["ensemble"] = str(e) or "there was no time to combine the candidates"
        return None


def _by_task(spec: Spec, named: Mapping[str, str]) -> dict[str, str]:
    """Metrics by task; one without a task is for all tasks."""
    everywhere = named.get("")
    own = {task: metric for task, metric in named.items() if task}
    return (dict.fromkeys(spec.tasks, everywhere) if everywhere else {}) | own


def _nothing(search: Search, minutes: float) -> str:
    """Why there is no model at all."""
    trials = search.state.trials
    failures = [f"{t.name}: {t.reason}" for t in trials if "end of the budget" not in t.reason]
    if failures:
        return "\n".join(["No candidate could be trained.", *dict.fromkeys(failures)])
    return (
        f"{minutes:g} minutes are too few for a single model of {min(search.rows, 2000):,} of"
        f" {search.rows:,} training rows: {search.clock.spent:.0f} s were spent, of which reading"
        " the data is kept. Run the same command with more --minutes, at least twice as many."
    )


def write_report(board: Leaderboard, served: Sequence[Said], directory: Path) -> None:
    """Write the leaderboard in all its forms. directory: with `best.yaml`."""
    report = directory / "report"
    report.mkdir(exist_ok=True)
    write_whole(report / "leaderboard.md", board.markdown())
    write_whole(report / "leaderboard.json", board.as_json())
    spec_text = (directory / "best.yaml").read_text(encoding="utf-8")
    spec_text = without_secrets(spec_text, named=False)
    write_whole(report / "leaderboard.html", page(board, served, spec_text))
