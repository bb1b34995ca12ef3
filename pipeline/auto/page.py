"""A search as a page: what is served, beside what it was chosen, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.charts import Bar, Forest, forest
from pipeline.auto.closing import Said
from pipeline.auto.importance import Fall, Importance
from pipeline.auto.leaderboard import Leaderboard
from pipeline.auto.ranking import DEVIATIONS
from pipeline.report.tables import Table
from serving.pages import render

MOST_COLUMNS = 12
"""Of a task in its chart: those that matter most."""


@dataclass(frozen=True)
class AutoPage:
    """The content of the page.

    served: on what is served, the first why. told: on calibration and thresholds. gains:
    of the candidates that learned from the most rows, over `reference`. columns: with its task and
    metric, how much worse that gets without each column; columns_of: how it was measured. changes:
    what each candidate is.
    """

    title: str
    facts: str
    served: Sequence[Said]
    told: Sequence[str]
    reference: str
    gains: Forest | None
    candidates: Table
    note: str
    steps: Sequence[str]
    columns: Sequence[tuple[str, str, Forest]]
    columns_of: str
    changes: Sequence[tuple[str, str]]
    left_out: Sequence[str]
    spec_text: str


def page(board: Leaderboard, served: Sequence[Said], spec_text: str) -> str:
    """The page as HTML. served: see `AutoPage`. spec_text: of `best.yaml`."""
    falls = board.next_steps.columns.falls if board.next_steps.columns else ()
    content = AutoPage(
        title=f"Search: {', '.join(board.metrics.metrics)}",
        facts=_facts(board),
        served=served,
        told=board.answers,
        reference=board.reference,
        gains=_gains(board),
        candidates=board.table(),
        note=board.note(),
        steps=board.next_steps.sentences,
        columns=list(_columns(falls)),
        columns_of=_columns_of(board.next_steps.columns),
        changes=board.changes(),
        left_out=[*board.left_out(), *filter(None, [board.rest])],
        spec_text=spec_text,
    )
    return render(__name__, content)


def _facts(board: Leaderboard) -> str:
    trained = len([t for t in board.state.trials if t.scores is not None])
    models = f"{trained} model{'' if trained == 1 else 's'} trained"
    minutes = f"{board.state.spent / 60:.1f} of {board.minutes:g} minutes"
    return f"{board.state.request.data}: {board.rows:,} training rows, {models}, {minutes}"


def _gains(board: Leaderboard) -> Forest | None:
    """Of the candidates on the most rows, the ensemble among them; None if there is nothing to
    compare.
    """
    others = [r for r in board.ranked if r.trial.rows == board.best.rows and not r.reference]
    bars = []
    for r in others:
        spread = DEVIATIONS * r.error
        if math.isfinite(r.gain) and math.isfinite(spread):
            bars.append(_bar(r.trial.name, r.gain, r.gain - spread, r.gain + spread))
    return forest(bars, 0, f"gain over {board.reference} in %") if bars else None


def _columns(falls: Sequence[Fall]) -> Iterator[tuple[str, str, Forest]]:
    for task, metric in {f.task: f.metric for f in falls}.items():
        own = sorted((f for f in falls if f.task == task), key=lambda f: -f.value)
        bars = [_bar(f.column, f.value, f.low, f.high) for f in own[:MOST_COLUMNS]]
        yield task, metric, forest(bars, 0, f"{metric} lost without the column")


def _columns_of(found: Importance | None) -> str:
    """On how many rows which columns were measured, and how many of them are shown."""
    if found is None:
        return ""
    measured = len({f.column for f in found.falls})
    every, shown = measured + len(found.skipped), min(measured, MOST_COLUMNS)
    which = f"{shown} of {every} columns" if shown < every else f"{every} columns"
    return f"{which}, shuffled among {found.rows:,} {found.split} rows"


def _bar(name: str, value: float, low: float, high: float) -> Bar:
    kind = "helps" if low > 0 else "hurts" if high < 0 else "undecided"
    return Bar(name, value, low, high, kind)
