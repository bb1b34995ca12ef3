"""The report of a search as a page: the answer, then how it was found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from optuna.trial import FrozenTrial, TrialState

from components.charts import Coordinate, Parallel, Plot, Point, Series, parallel, plot
from pipeline.report.tables import Table
from pipeline.spec.tune import SearchRange
from pipeline.tune.report import SearchResult, answers, comparison, counts
from pipeline.tune.search import REASON, SECONDS
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
    best, names = result.best, _names(result)
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
    names = _names(result)
    points = [Point(t.number + 1, t.value or 0.0, note=_note(t, names)) for t in ended]
    best = accumulate((p.y for p in points), max)
    line = [Point(p.x, y) for p, y in zip(points, best, strict=True)]
    series = Series("best so far", tuple(line)), Series("trial", tuple(points), joined=False)
    return plot(series, "trial", "gain in % on validation rows")


def _coordinates(result: SearchResult) -> Parallel | None:
    """The values of all trials that were trained to the end, beside their gains."""
    if len(result.ranked) < 2:
        return None
    names = _names(result)
    coordinates = []
    for key, space in result.spec.tune.space.items():
        values = [_value(t.params[key]) for t in result.ranked]
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
        values = [_text(trial.params[key]) if key in trial.params else "" for key in keys]
        ended = trial.user_attrs.get(REASON) or trial.state.name.lower()
        taken = "" if seconds is None else f"{seconds:.1f}"
        rows.append([str(trial.number + 1), gain, taken, *values, ended])
    return Table(["trial", "gain", "seconds", *keys, "ended"], rows)


def _names(result: SearchResult) -> dict[str, str]:
    """The fields by the ends of their names, such as `learning_rate`, where these differ."""
    ends = {key: key.rpartition(".")[2] for key in result.spec.tune.space}
    uses = Counter(ends.values())
    return {key: end if uses[end] == 1 else key for key, end in ends.items()}


def _note(trial: FrozenTrial, names: Mapping[str, str]) -> str:
    values = ", ".join(f"{names[key]} {_text(value)}" for key, value in trial.params.items())
    return f"trial {trial.number + 1}: {trial.value or 0.0:+.2f} %, {values}"


def _text(value: object) -> str:
    value = _value(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _value(value: object) -> float | str:
    """What a trial tried, as a number if it is one. Choices are JSON in Optuna.

    Example: `{"name": "mmoe", "experts": 4}` gives `mmoe (experts 4)`.
    """
    parsed = json.loads(value) if isinstance(value, str) else value
    if isinstance(parsed, int | float) and not isinstance(parsed, bool):
        return parsed
    if isinstance(parsed, dict) and "name" in parsed:
        others = ", ".join(f"{key} {v}" for key, v in parsed.items() if key != "name")
        return f"{parsed['name']} ({others})" if others else str(parsed["name"])
    return parsed if isinstance(parsed, str) else str(value)
