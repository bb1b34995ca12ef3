"""`evaluation.html`: the evaluation and its verdict as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from components.pages import _chart, _table

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .6rem 0 1.4rem; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #8884; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.scroll { overflow-x: auto; } .charts { display: flex; flex-wrap: wrap; gap: 1.5rem; }
.bad { color: #c22; } .good { color: #292; } .faint { opacity: .65; }
svg { width: 15rem; height: 15rem; } figure { margin: 0; } figcaption { text-align: center; }
"""

Json = Mapping[str, Any]


def page(report: Json, verdict: Json) -> str:
    """The page. report, verdict: `evaluation.json` and `blessing.json`, parsed."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><meta charset="utf-8"><title>Evaluation</title>',
            f"<style>{_STYLE}</style>",
            *_verdict(report, verdict),
            *(line for task in report["tasks"].values() for line in _task(task, report)),
            "</html>",
        ]
    )


def _verdict(report: Json, verdict: Json) -> Iterator[str]:
    blessed = verdict["blessed"]
    word, look = ("Blessed", "good") if blessed else ("Not blessed", "bad")
    yield f'<h1 class="{look}">{word}</h1>'
    level = f"{100 * report['level']:g}"
    against = f" Champion: model {escape(report['champion'][:12])}." if report["champion"] else ""
    yield (
        f"<p>{report['rows']} rows of split {escape(report['split'])}; in brackets: {level} %"
        f" confidence intervals.{against}</p>"
    )
    if verdict["reasons"]:
        yield "<ul>" + "".join(f"<li>{escape(r)}</li>" for r in verdict["reasons"]) + "</ul>"
    if verdict["checks"]:
        yield _table(
            ["threshold", "of", "slice", "is", "at least", "at most", ""],
            [
                [
                    escape(f"{c['task']}.{c['metric']}"),
                    c["kind"],
                    escape(c["slice"] or "all"),
                    _number(c["value"]) + _interval(c["interval"]),
                    _number(c["min"], ""),
                    _number(c["max"], ""),
                    '<b class="good">met</b>' if c["met"] else '<b class="bad">not met</b>',
                ]
                for c in verdict["checks"]
            ],
        )


def _task(task: Json, report: Json) -> Iterator[str]:
    yield f"<h2>{escape(task['task'])} <small class=faint>{task['kind']}</small></h2>"
    compared = bool(task["changes"])
    yield f"<p>{task['rows']} labelled rows.</p>"
    yield _table(
        ["metric", "value", *(["champion", "change"] if compared else [])],
        [_metric(name, task, compared) for name in task["values"]],
    )
    charts = [
        chart
        for key, title, x, y in (
            ("roc", "ROC", "false positive rate", "true positive rate"),
            ("precision_recall", "Precision and recall", "recall", "precision"),
        )
        if task[key]
        for chart in [_chart(title, x, y, task[key])]
    ]
    if task["reliability"]:
        points = [(b["confidence"], b["accuracy"]) for b in task["reliability"]]
        charts.append(_chart("Reliability", "confidence", "share that is right", points, True))
    if charts:
        yield f'<div class="charts">{"".join(charts)}</div>'
    if task["confusion"]:
        yield "<h3>Confusion: true class by row, predicted class by column</h3>"
        rows = zip(task["classes"], task["confusion"], strict=True)
        yield _table(
            ["", *map(escape, task["classes"])], [[escape(c), *map(str, r)] for c, r in rows]
        )
    slices = {
        n: s["tasks"][task["task"]]
        for n, s in report["slices"].items()
        if task["task"] in s["tasks"]
    }
    if slices:
        yield "<h3>By slice</h3>"
        names = [
            n for n in task["values"] if any(s["values"][n] is not None for s in slices.values())
        ]
        yield _table(
            ["slice", "rows", *names],
            [
                [
                    escape(name),
                    str(s["rows"]),
                    *(_number(s["values"][n]) + _interval(s["intervals"].get(n)) for n in names),
                ]
                for name, s in slices.items()
            ],
        )
    small = [n for n, s in report["slices"].items() if task["task"] not in s["tasks"]]
    if small:
        yield f'<p class="faint">Too few labelled rows: {escape(", ".join(small))}.</p>'


def _metric(name: str, task: Json, compared: bool) -> list[str]:
    value = task["values"][name]
    shown = _number(value) + _interval(task["intervals"].get(name))
    if value is None:
        shown = f'<span class="faint">undefined: {escape(task["undefined"][name])}</span>'
    if not compared:
        return [name, shown]
    change = task["changes"].get(name)
    if change is None:
        return [name, shown, "", ""]
    return [
        name,
        shown,
        _number(change["champion"]),
        f"{change['value']:+.4g}{_interval(change['interval'])}",
    ]


def _number(value: float | None, missing: str = "-") -> str:
    return missing if value is None else f"{value:.4g}"


def _interval(interval: Json | None) -> str:
    if interval is None:
        return ""
    return f' <span class="faint">[{interval["low"]:.4g}, {interval["high"]:.4g}]</span>'
