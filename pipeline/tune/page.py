"""The report of a search as a page: the answer, then how it was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from optuna.trial import FrozenTrial, TrialState

from components.charts import Coordinate, Parallel, Plot, Point, Series, parallel, plot
from pipeline.report.tables import Table
from pipeline.spec.tune import SearchRange
from pipeline.tune.report import SearchResult, answers, comparison, counts
from pipeline.tune.search import REASON, SECONDS
from pipeline.tune.values import as_text, short_names, value_of
from serving.pages import render


@dataclass(frozen=True)
class TunePage:
    """The content of the page.

    importances: fields with the share of the gain's variance that they explain, in percent.
    trials: all of them, the best first; those that were pruned or failed last.
    """

    title: str
    facts: str
    better: bool
    answers: Sequence[str]
    comparison: Table | None
    history: Plot | None
    importances: Sequence[tuple[str, int]]
    coordinates: Parallel | None
    trials: Table


def page(result: SearchResult) -> str:
    """The page as HTML."""
    best, names = result.best, short_names(result.spec.tune.space)
    content = TunePage(
        title=f"Tuning of {result.spec.name}",
        facts=counts(result),
        better=best is not None,
        answers=list(answers(result)),
        comparison=None if best is None else comparison(result, best),
        history=_history(result),
        importances=[(names[key], round(100 * v)) for key, v in result.importances.items()],
        coordinates=_coordinates(result),
        trials=_trials(result),
    )
    return render(__name__, content)


def _history(result: SearchResult) -> Plot | None:
    """The gain of each trial that was trained to the end, and the best one so far."""
    ended = sorted(result.ranked, key=lambda t: t.number)
    names = short_names(result.spec.tune.space)
    points = [Point(t.number + 1, t.value or 0.0, note=_note(t, names)) for t in ended]
    best = accumulate((p.y for p in points), max)
    line = [Point(p.x, y) for p, y in zip(points, best, strict=True)]
    series = Series("best so far", tuple(line)), Series("trial", tuple(points), joined=False)
    return plot(series, "trial", "gain in % on validation rows")


def _coordinates(result: SearchResult) -> Parallel | None:
    """The values of all trials that were trained to the end, beside their gains."""
    if len(result.ranked) < 2:
        return None
    names = short_names(result.spec.tune.space)
    coordinates = []
    for key, space in result.spec.tune.space.items():
        values = [value_of(t.params[key]) for t in result.ranked]
        log = isinstance(space, SearchRange) and space.log
        coordinates.append(Coordinate(names[key], values, log))
    coordinates.append(Coordinate("gain in %", [t.value or 0.0 for t in result.ranked]))
    label = f"Gain by {', '.join(names.values())}: a line for each of {len(result.ranked)} trials"
    return parallel(coordinates, [_note(t, names) for t in result.ranked], label)


def _trials(result: SearchResult) -> Table:
    keys = list(result.spec.tune.space)
    others = [t for t in result.trials if t.state != TrialState.COMPLETE]
    rows = []
    for trial in [*result.ranked, *others]:
        gain = f"{trial.value:+.2f} %" if trial.state == TrialState.COMPLETE else ""
        seconds = trial.user_attrs.get(SECONDS)
        values = [as_text(trial.params[key]) if key in trial.params else "" for key in keys]
        ended = trial.user_attrs.get(REASON) or trial.state.name.lower()
        taken = "" if seconds is None else f"{seconds:.1f}"
        rows.append([str(trial.number + 1), gain, taken, *values, ended])
    return Table(["trial", "gain", "seconds", *short_names(keys).values(), "ended"], rows)


def _note(trial: FrozenTrial, names: Mapping[str, str]) -> str:
    values = ", ".join(f"{names[key]} {as_text(value)}" for key, value in trial.params.items())
    return f"trial {trial.number + 1}: {trial.value or 0.0:+.2f} %, {values}"
