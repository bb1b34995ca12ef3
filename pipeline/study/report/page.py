"""The report as one HTML page that needs no network: the answer first, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from components.data.arrow import np
from pipeline.report.charts import Bar, Point, Series, forest, heat_map, plot
from pipeline.report.page import page_of, rich
from pipeline.study.findings import Comparison, Findings
from pipeline.study.jobs import MAJORITY, Cell
from pipeline.study.promises import promises
from pipeline.study.report.markdown import MAIN
from pipeline.study.report.sentences import (
    headline,
    method,
    names_of,
    overall,
    spread,
    verdict_sentence,
)
from pipeline.study.verdict import Verdict

CALIBRATION = "calibration_error"
Matrix = Sequence[Sequence[float]]
PILLS = {"kept": "helps", "broken": "hurts", "no difference": "equivalent"}


@dataclass(frozen=True)
class Affinities:
    """mean: [tasks, tasks], of row on column."""

    tasks: Sequence[str]
    mean: Matrix


def page(found: Findings, spec_text: str, affinities: Affinities | None = None) -> str:
    """The whole page. affinities: that `rootstock advise` measured, if it did."""
    body = "".join(
        [
            *_answer(found),
            *_verdicts(found),
            *_curves(found),
            *_pareto(found),
            *_details(found),
            *_training(found),
            *_affinities(affinities),
            f"<h2>How to read this</h2>{''.join(f'<p>{rich(m)}</p>' for m in method(found))}",
            f"<details><summary>The spec</summary><pre>{escape(spec_text)}</pre></details>",
            f'<p class="soft">{escape(_versions(found))}</p>',
        ]
    )
    return page_of(f"Study: {found.evidence.design.spec.name}", body)


def _answer(found: Findings) -> Iterator[str]:
    evidence = found.evidence
    seeds = max(len(evidence.seeds(f, evidence.design.reference)) for f in evidence.fractions)
    rows = ", ".join(f"{evidence.rows[f]:,}" for f in evidence.fractions)
    yield (
        f'<p class="soft">{len(evidence.design.metrics)} tasks, {seeds} seeds, {rows} training rows'
        "</p>"
    )
    for sentence in headline(found):
        kind = "warn" if "Negative transfer" in sentence else "answer"
        yield f'<div class="card {kind}">{rich(sentence)}</div>'


def _verdicts(found: Findings) -> Iterator[str]:
    largest = max(found.evidence.fractions)
    yield "<h2>What helps, task by task</h2>"
    yield (
        f'<p class="soft">With all {found.evidence.rows[largest]:,} training rows. Dots are'
        " differences, lines their intervals; inside the band a difference does not matter.</p>"
    )
    for c in found.comparisons:
        if c.fraction == largest:
            yield f'<div class="card">{"".join(_comparison(c, found))}</div>'


def _comparison(c: Comparison, found: Findings) -> Iterator[str]:
    yield f"<h3>{rich(f'{c.claim.question} `{c.claim.arm}` against `{c.claim.against}`')}</h3>"
    yield f"<p>{rich(overall(c))}</p>"
    for v in c.verdicts:
        yield (f"<p>{_pill(v.outcome, v.outcome)} {rich(verdict_sentence(v, c, found))}</p>")
    yield from (
        forest(
            [Bar(v.task, v.mean, v.interval.low, v.interval.high, v.outcome) for v in group],
            margin,
            "difference, positive is better",
        )
        for margin, group in _by_margin(c)
    )
    if c.claim.name in MAIN:
        lines = [
            [p.name, _pill(PILLS.get(p.kept, p.kept), p.kept), rich(p.figures)]
            for p in promises(c, found.evidence)
        ]
        yield _table(["promise", "", "figures"], lines, rich=True)


def _by_margin(c: Comparison) -> list[tuple[float, list[Verdict]]]:
    """Verdicts that fit on one axis."""
    found: dict[float, list[Verdict]] = {}
    for v in c.verdicts:
        found.setdefault(v.margin, []).append(v)
    return list(found.items())


def _curves(found: Findings) -> Iterator[str]:
    evidence = found.evidence
    if len(evidence.fractions) < 2:
        return
    yield "<h2>Learning curves</h2>"
    yield '<p class="soft">Test figures; lines reach one standard deviation over seeds.</p>'
    yield '<div class="charts">'
    for task, metric in evidence.design.metrics.items():
        series = []
        for arm in _drawn_arms(found):
            points = []
            for fraction in evidence.fractions:
                values = evidence.values(arm, fraction, task)
                if len(values):
                    mean, std = float(np.mean(values)), float(np.std(values))
                    points.append(Point(evidence.rows[fraction], mean, mean - std, mean + std))
            series.append(Series(arm, tuple(points), dashed=arm in evidence.design.baselines))
        chart = plot(series, "training rows", metric, log_x=True)
        yield f"<div><h3>{escape(task)}</h3>{chart}</div>"
    yield "</div>"


def _pareto(found: Findings) -> Iterator[str]:
    evidence, largest = found.evidence, max(found.evidence.fractions)
    reference = evidence.design.reference
    yield "<h2>Quality against cost</h2>"
    yield f'<p class="soft">Δm is over <code>{escape(reference)}</code>; up and left is better.</p>'
    yield '<div class="charts">'
    for cost, label in (
        ("seconds", "seconds of training, all tasks"),
        ("parameters", "parameters of all models"),
        ("latency_ms", "ms for the answers to one row"),
    ):
        series = []
        for arm in _drawn_arms(found):
            gains = evidence.relative_gain(arm, reference, largest)
            x = evidence.cost(arm, largest, cost)
            if len(gains) and np.isfinite(gains).all() and x > 0:
                series.append(Series(arm, (Point(x, float(gains.mean())),)))
        yield plot(series, label, "Δm in percent", log_x=True, joined=False)
    yield "</div>"


def _versions(found: Findings) -> str:
    return ", ".join(f"{name} {number}" for name, number in found.evidence.versions.items())


def _affinities(given: Affinities | None) -> Iterator[str]:
    if given is not None:
        yield "<h2>Affinities, as advised before</h2>"
        yield (
            '<p class="soft">What a step for one task does to the loss of another, in units of what'
            " its own step does. A screen: the verdicts above are the measurement.</p>"
        )
        yield heat_map(given.tasks, given.mean, "affinity of row on column")


def _drawn_arms(found: Findings) -> list[str]:
    """All but the majority class, which would leave the others no room."""
    return [arm for arm in found.evidence.arms() if arm != MAJORITY]


def _details(found: Findings) -> Iterator[str]:
    evidence, largest = found.evidence, max(found.evidence.fractions)
    yield "<h2>Figures</h2><h3>On test rows: mean ± standard deviation over seeds</h3>"
    lines = [
        [names_of(arm, found), task, metric]
        + [spread(evidence.values(arm, f, task)) for f in evidence.fractions]
        + [spread(np.array(list(evidence.gaps(arm, largest, task).values())))]
        + [
            spread(
                np.array(list(evidence.by_seed(arm, largest, task, metric=CALIBRATION).values()))
            )
        ]
        for arm in evidence.arms()
        for task, metric in evidence.design.metrics.items()
    ]
    rows = [f"{evidence.rows[f]:,} rows" for f in evidence.fractions]
    yield _table(["arm", "task", "metric", *rows, "gap train - test", "calibration error"], lines)
    yield "<h3>Costs with all rows, of all models of an arm together; means over seeds</h3>"
    costs = (
        "seconds",
        "cpu_seconds",
        "steps",
        "trainable_parameters",
        "parameters",
        "latency_ms",
        "memory_mib",
    )
    lines = [
        [names_of(arm, found), *(f"{evidence.cost(arm, largest, c):,.4g}" for c in costs)]
        for arm in evidence.arms()
    ]
    header = ["training s", "CPU s", "steps", "parameters that train", "parameters", "ms per row"]
    yield _table(["arm", *header, "peak MiB of training"], lines)


def _training(found: Findings) -> Iterator[str]:
    """Validation losses of the first seed, by step."""
    evidence, largest = found.evidence, max(found.evidence.fractions)
    charts = []
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
        if series:
            chart = plot(series, "steps", "validation loss")
            charts.append(f"<div><h3>{escape(task)}</h3>{chart}</div>")
    if charts:
        yield "<h2>Training curves, first seed</h2>"
        yield f'<div class="charts">{"".join(charts)}</div>'


def _table(header: Sequence[str], lines: Sequence[Sequence[str]], rich: bool = False) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        told = (c if rich else escape(c) for c in cells)
        return f"<tr>{''.join(f'<{tag}>{c}</{tag}>' for c in told)}</tr>"

    inside = row(header, "th") + "".join(row(line, "td") for line in lines)
    return f'<div class="scroll"><table>{inside}</table></div>'


def _pill(kind: str, text: str) -> str:
    return f'<span class="pill {kind}">{text}</span>'
