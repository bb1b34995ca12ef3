"""The report of a study as a page: the answer first, then the evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from components.charts import Bar, Forest, HeatMap, Plot, Point, Series, forest, heat_map, plot
from components.data.lazy import np
from pipeline.report.tables import Table
from pipeline.study.evidence import Evidence
from pipeline.study.findings import Comparison, Findings
from pipeline.study.jobs import MAJORITY, Cell
from pipeline.study.promises import Promise, promises
from pipeline.study.report.markdown import MAIN
from pipeline.study.report.numbers import cost_table, score_table
from pipeline.study.report.sentences import (
    below_constant,
    headline,
    left_out,
    method,
    overall,
    verdict_sentence,
)
from pipeline.study.verdict import Outcome
from serving.pages import render

PILLS = {"kept": "helps", "broken": "hurts", "no difference": "equivalent"}
"""The colour of a promise, as that of an outcome."""
COSTS = {
    "seconds": "seconds to prepare and train all models",
    "parameters": "parameters of all models",
    "latency_ms": "ms to predict one row",
}


@dataclass(frozen=True)
class ComparisonCard:
    """One comparison.

    notes: what is wrong with it. verdicts: outcome and sentence for each task. promises: each with
    the CSS class of its pill.
    """

    question: str
    overall: str
    notes: Sequence[str]
    verdicts: Sequence[tuple[Outcome, str]]
    forests: Sequence[Forest]
    promises: Sequence[tuple[str, Promise]]


@dataclass(frozen=True)
class StudyPage:
    """The content of the page. curves, training: charts by task. rows: training rows in total."""

    title: str
    facts: str
    answers: Sequence[str]
    rows: int
    comparisons: Sequence[ComparisonCard]
    curves: Sequence[tuple[str, Plot]]
    reference: str
    costs: Sequence[Plot]
    scores: Table
    cost_table: Table
    training: Sequence[tuple[str, Plot]]
    affinities: HeatMap | None
    method: Sequence[str]
    spec_text: str
    versions: str


def affinity_map(tasks: Sequence[str], mean: Sequence[Sequence[float]]) -> HeatMap:
    """mean: [tasks, tasks], affinities."""
    return heat_map(tasks, mean, "affinity of row on column")


def page(findings: Findings, spec_text: str, affinities: HeatMap | None = None) -> str:
    """The page as HTML. affinities: those that `rootstock advise` measured, if it ran."""
    evidence, largest = findings.evidence, findings.evidence.largest
    return render(
        __name__,
        StudyPage(
            title=f"Study: {evidence.design.spec.name}",
            facts=_facts(evidence),
            answers=headline(findings),
            rows=evidence.rows[largest],
            comparisons=[_card(c, findings) for c in findings.comparisons if c.fraction == largest],
            curves=list(_curves(evidence)) if len(evidence.fractions) > 1 else [],
            reference=evidence.design.reference,
            costs=list(_costs(evidence)),
            scores=score_table(evidence),
            cost_table=cost_table(evidence),
            training=list(_training(evidence)),
            affinities=affinities,
            method=method(findings),
            spec_text=spec_text,
            versions=", ".join(f"{name} {number}" for name, number in evidence.versions.items()),
        ),
    )


def _facts(evidence: Evidence) -> str:
    seeds = max(len(evidence.seeds(f, evidence.design.reference)) for f in evidence.fractions)
    rows = ", ".join(f"{evidence.rows[f]:,}" for f in evidence.fractions)
    tasks = len(evidence.design.metrics)
    named = f"{tasks} task{'' if tasks == 1 else 's'}"
    facts = f"{named}, {seeds} seeds, {rows} training rows"
    counts = [evidence.groups(t, "test", evidence.largest) for t in evidence.design.metrics]
    known = [c for c in counts if c is not None]
    return f"{facts}, {min(known):,} groups of test rows" if known and _keyed(evidence) else facts


def _keyed(evidence: Evidence) -> bool:
    return bool(evidence.design.spec.data.key)


def _card(c: Comparison, findings: Findings) -> ComparisonCard:
    kept = promises(c, findings.evidence) if c.claim.name in MAIN else []
    bars: dict[float, list[Bar]] = {}  # those with the same margin share a chart
    for v in c.verdicts:
        bar = Bar(v.task, v.mean, v.interval.low, v.interval.high, v.outcome)
        bars.setdefault(v.margin, []).append(bar)
    return ComparisonCard(
        question=f"{c.claim.question} `{c.claim.arm}` against `{c.claim.against}`",
        overall=overall(c),
        notes=[*below_constant(c, findings), *left_out(c, findings)],
        verdicts=[(v.outcome, verdict_sentence(v, c, findings)) for v in c.verdicts],
        forests=[
            forest(of_margin, margin, "difference, positive is better")
            for margin, of_margin in bars.items()
        ],
        promises=[(PILLS.get(p.kept, p.kept), p) for p in kept],
    )


def _drawn_arms(evidence: Evidence) -> list[str]:
    """All arms but the majority baseline, whose values would compress the axes."""
    return [arm for arm in evidence.arms() if arm != MAJORITY]


def _curves(evidence: Evidence) -> Iterator[tuple[str, Plot]]:
    for task, metric in evidence.design.metrics.items():
        series = []
        for arm in _drawn_arms(evidence):
            points = []
            for fraction in evidence.fractions:
                if len(values := evidence.values(arm, fraction, task)):
                    mean, std = float(np.mean(values)), float(np.std(values))
                    points.append(Point(evidence.rows[fraction], mean, mean - std, mean + std))
            series.append(Series(arm, tuple(points), dashed=arm in evidence.design.baselines))
        if chart := plot(series, "training rows", metric, log_x=True):
            yield task, chart


def _costs(evidence: Evidence) -> Iterator[Plot]:
    for cost, label in COSTS.items():
        series = []
        for arm in _drawn_arms(evidence):
            gains = evidence.relative_gain(arm, evidence.design.reference, evidence.largest)
            x = evidence.cost(arm, evidence.largest, cost)
            if len(gains) and np.isfinite(gains).all() and x > 0:
                series.append(Series(arm, (Point(x, float(gains.mean())),)))
        if chart := plot(series, label, "Δm in percent", log_x=True, joined=False):
            yield chart


def _training(evidence: Evidence) -> Iterator[tuple[str, Plot]]:
    """Validation losses of the first seed, by step."""
    for task in evidence.design.metrics:
        name, series = f"val_{task}_loss", []
        for arm in evidence.design.compared:
            cell = evidence.cells.get(Cell(arm.name, evidence.largest, 0))
            for trial in cell.trials if cell else ():
                if task in trial.tasks and trial.history and name in trial.history[0]:
                    steps = accumulate(epoch["steps"] for epoch in trial.history)
                    reached = zip(steps, trial.history, strict=True)
                    points = tuple(Point(step, epoch[name]) for step, epoch in reached)
                    series.append(Series(arm.name, points))
        if chart := plot(series, "steps", "validation loss"):
            yield task, chart
