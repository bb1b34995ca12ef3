"""What a run ends with: each task's main metric, beside the best constant answer."""

from __future__ import annotations

import json
from pathlib import Path

from components.evaluation.headline import Headline, headlines
from pipeline.report.tables import Table


def results(evaluation: Path, piped: int) -> str:
    """A table in plain text.

    evaluation: the directory of an `Evaluation`. piped: the width if stdout is no terminal.
    """
    report = json.loads((evaluation / "evaluation.json").read_text(encoding="utf-8"))
    lines = headlines(report)
    header = [
        "task",
        "metric",
        "value",
        f"{100 * report['level']:g} % interval",
        "best constant answer",
    ]
    rows = [_row(line) for line in lines]
    if any(line.served is not None for line in lines):
        header.append("served before")
        rows = [[*row, _number(line.served)] for row, line in zip(rows, lines, strict=True)]
    return f"{report['rows']:,} {report['split']} rows:\n{Table(header, rows).text(piped=piped)}\n"


def _row(line: Headline) -> list[str]:
    interval = f"{_number(line.low)} to {_number(line.high)}" if line.low is not None else ""
    metric = line.metric + (", lower is better" if line.better == "lower" else "")
    value = _number(line.value) or "undefined"
    return [line.task, metric, value, interval, _number(line.baseline)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
