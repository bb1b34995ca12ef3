"""The report of a study as a page: the answer first, then the evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.data.arrow import np
from components.pages import render
from pipeline.report.charts import Bar, Forest, HeatMap, Plot, Point, Series, forest, heat_map, plot
from pipeline.report.tables import Table
from pipeline.study.findings import Comparison, Findings
from pipeline.study.jobs import MAJORITY, Cell
from pipeline.study.promises import Promise, promises
from pipeline.study.report.markdown import MAIN
from pipeline.study.report.numbers import cost_table, score_table
from pipeline.study.report.sentences import headline, method, overall, verdict_sentence
from pipeline.study.verdict import Outcome, Verdict

PILLS = {"kept": "helps", "broken": "hurts", "no difference": "equivalent"}
"""The colour of a promise, as that of an outcome."""
COSTS = {
    "seconds": "seconds of training, all models",
    "parameters": "parameters of all models",
    "latency_ms": "ms to predict one row",
}


@dataclass(frozen=True)
class AffinityMatrix:
    """Affinities of tasks. mean: [tasks, tasks], effect of row on column."""

    tasks: Sequence[str]
    mean: Sequence[Sequence[float]]


@dataclass(frozen=True)
class ComparisonCard:
    """One comparison.

    verdicts: outcome and sentence for each task. promises: each with the CSS class of its pill.
    """

    question: str
    overall: str
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


def page(findings: Findings, spec_text: str, affinities: AffinityMatrix | None = None) -> str:
    """The page as HTML. affinities: those that `rootstock advise` measured, if it ran."""
    evidence, largest = findings.evidence, max(findings.evidence.fractions)
    versions = evidence.versions.items()
    return render(
        __name__,
        StudyPage(
            title=f"Study: {evidence.design.spec.name}",
            facts=_facts(findings),
            answers=headline(findings),
            rows=evidence.rows[largest],
            comparisons=[_card(c, findings) for c in findings.comparisons if c.fraction == largest],
            curves=list(_curves(findings)) if len(evidence.fractions) > 1 else [],
            reference=evidence.design.reference,
            costs=list(_costs(findings)),
            scores=score_table(findings),
            cost_table=cost_table(findings),
            training=list(_training(findings)),
            affinities=None
            if affinities is None
            else heat_map(affinities.tasks, affinities.mean, "affinity of row on column"),
            method=method(findings),
            spec_text=spec_text,
            versions=", ".join(f"{name} {number}" for name, number in versions),
        ),
    )


def _facts(findings: Findings) -> str:
    evidence = findings.evidence
    seeds = max(len(evidence.seeds(f, evidence.design.reference)) for f in evidence.fractions)
    rows = ", ".join(f"{evidence.rows[f]:,}" for f in evidence.fractions)
    return f"{len(evidence.design.metrics)} tasks, {seeds} seeds, {rows} training rows"


def _card(c: Comparison, findings: Findings) -> ComparisonCard:
    kept = promises(c, findings.evidence) if c.claim.name in MAIN else []
    return ComparisonCard(
        question=f"{c.claim.question} `{c.claim.arm}` against `{c.claim.against}`",
        overall=overall(c),
        verdicts=[(v.outcome, verdict_sentence(v, c, findings)) for v in c.verdicts],
        forests=[
            forest(
                [Bar(v.task, v.mean, v.interval.low, v.interval.high, v.outcome) for v in verdicts],
                margin,
                "difference, positive is better",
            )
            for margin, verdicts in _by_margin(c).items()
        ],
        promises=[(PILLS.get(p.kept, p.kept), p) for p in kept],
    )


def _by_margin(c: Comparison) -> dict[float, list[Verdict]]:
    """The verdicts by margin: those with the same margin share a chart."""
    groups: dict[float, list[Verdict]] = {}
    for v in c.verdicts:
        groups.setdefault(v.margin, []).append(v)
    return groups


def _drawn_arms(findings: Findings) -> list[str]:
    """All arms but the majority baseline, whose values would compress the axes."""
    return [arm for arm in findings.evidence.arms() if arm != MAJORITY]


def _curves(findings: Findings) -> Iterator[tuple[str, Plot]]:
    """Test metrics by training rows."""
    evidence = findings.evidence
    for task, metric in evidence.design.metrics.items():
        series = []
        for arm in _drawn_arms(findings):
            points = []
            for fraction in evidence.fractions:
                values = evidence.values(arm, fraction, task)
                if len(values):
                    mean, std = float(np.mean(values)), float(np.std(values))
                    points.append(Point(evidence.rows[fraction], mean, mean - std, mean + std))
            series.append(Series(arm, tuple(points), dashed=arm in evidence.design.baselines))
        if chart := plot(series, "training rows", metric, log_x=True):
            yield task, chart


def _costs(findings: Findings) -> Iterator[Plot]:
    """Quality by cost."""
    evidence, largest = findings.evidence, max(findings.evidence.fractions)
    for cost, label in COSTS.items():
        series = []
        for arm in _drawn_arms(findings):
            gains = evidence.relative_gain(arm, evidence.design.reference, largest)
            x = evidence.cost(arm, largest, cost)
            if len(gains) and np.isfinite(gains).all() and x > 0:
                series.append(Series(arm, (Point(x, float(gains.mean())),)))
        if chart := plot(series, label, "Δm in percent", log_x=True, joined=False):
            yield chart


def _training(findings: Findings) -> Iterator[tuple[str, Plot]]:
    """Validation losses of the first seed, by step."""
    evidence, largest = findings.evidence, max(findings.evidence.fractions)
    for task in evidence.design.metrics:
        name, series = f"val_{task}_loss", []
        for arm in (a.name for a in evidence.design.compared):
            cell = evidence.cells.get(Cell(arm, largest, 0))
            for trial in cell.trials if cell else ():
                if task in trial.tasks and trial.history and name in trial.history[0]:
                    per_epoch = trial.costs.steps / trial.costs.epochs
                    points = [
                        Point(per_epoch * (i + 1), e[name]) for i, e in enumerate(trial.history)
                    ]
                    series.append(Series(arm, tuple(points)))
        if chart := plot(series, "steps", "validation loss"):
            yield task, chart
