"""An evaluation in MLflow: metrics with their intervals, tables, and a description for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.evaluation.measured import ALL_ROWS, Measured, measured
from pipeline.tracking.client import Measurement, log, logged_model, metrics_at, valid_key

if TYPE_CHECKING:
    from mlflow import MlflowClient

FILE = "evaluation.json"


@dataclass(frozen=True)
class Runs:
    """MLflow's ids of the run of a stage, and of that of its pipeline; the stage's name."""

    own: str
    pipeline: str
    stage: str


def log_evaluation(
    client: MlflowClient,
    runs: Runs,
    time: float,
    evaluation: Mapping[str, Any],
    of: Measurement | None,
) -> None:
    """Log all metrics to the runs and to the logged model that was evaluated, and tables of them,
    which the UI shows side by side for several runs.

    of: the model and the data set; None if MLflow has no such model.
    """
    values = metrics_of(evaluation)
    model = of and logged_model(client, of.model_id)
    metrics = metrics_at(time, values, of=of if model else None)
    if model:  # MLflow refuses more than 100 that it knows
        known = {m.key for m in model.metrics or () if m.run_id == runs.own}
        metrics = [m for m in metrics if m.key not in known]
    log(client, runs.own, metrics)
    log(
        client, runs.pipeline, metrics_at(time, {f"{runs.stage}/{n}": v for n, v in values.items()})
    )
    tables = dict(tables_of(evaluation))
    for file, text in tables.items():
        client.log_text(runs.pipeline, text, file)
    shown = json.dumps([{"path": file, "type": "table"} for file in tables])
    log(client, runs.pipeline, tags={"mlflow.loggedArtifacts": shown})


def read_evaluation(directories: Iterable[Path]) -> dict[str, Any] | None:
    """The content of `evaluation.json` in the first of some artifacts that has one."""
    file = next((f for d in directories if (f := d / FILE).is_file()), None)
    return None if file is None else json.loads(file.read_text(encoding="utf-8"))


def metrics_of(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Every metric by a name that MLflow accepts, with `.low` and `.high` for its interval.

    `income.auc`, `income.auc.low`; for the slice `sex=Female`: `slice/sex_Female/income.auc`. If
    two slices would have one name, the second is called `… 2`.
    """
    folders = {ALL_ROWS: ""}
    found: dict[str, float] = {}
    for row in measured(evaluation):
        if row.slice not in folders:
            folders[row.slice] = _folder(row.slice, set(folders.values()))
        name = f"{folders[row.slice]}{row.task}.{row.metric}"
        bounds = {name: row.value, f"{name}.low": row.low, f"{name}.high": row.high}
        found |= {n: v for n, v in bounds.items() if v is not None}
    return found


def tables_of(evaluation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """File and content of tables, as `mlflow.log_table` writes them: all metrics, and the rows that
    the model gets most wrong.

    The UI compares runs by the first column, which names a row, and shows the second.
    """
    rows = [[_named(row), *_rest(row).values()] for row in measured(evaluation)]
    columns = [f.name for f in fields(Measured) if f.name != "value"]
    yield "tables/metrics.json", _table(["name", "value", *columns], rows)
    wrong = evaluation.get("mistakes", {}).items()
    mistakes = [
        [f"{task}, row {m['row']}", m["answer"], task, m["row"], m["label"], m["probability"]]
        for task, of_task in wrong
        for m in of_task
    ]
    if mistakes:
        columns = ["name", "answer", "task", "row", "label", "probability"]
        yield "tables/mistakes.json", _table(columns, mistakes)


def _named(row: Measured) -> str:
    name = f"{row.task}.{row.metric}"
    return name if row.slice == ALL_ROWS else f"{name}, {row.slice}"


def _rest(row: Measured) -> dict[str, object]:
    values = asdict(row)
    return {"value": values.pop("value"), **values}


def main_metrics(evaluation: Mapping[str, Any]) -> str:
    """The main metric of each task on all rows, as a table in Markdown."""
    lines = [f"| task | metric | on {evaluation['split']} rows | interval |", "|---|---|---|---|"]
    shown = set[str]()
    for row in measured(evaluation):
        if row.slice == ALL_ROWS and row.task not in shown:
            shown.add(row.task)
            value = "undefined" if row.value is None else f"{row.value:.4f}"
            known = row.low is not None and row.high is not None
            interval = f"{row.low:.4f} to {row.high:.4f}" if known else ""
            lines.append(f"| {row.task} | {row.metric} | {value} | {interval} |")
    return "\n".join(lines)


def _folder(name: str, taken: set[str]) -> str:
    stem = f"slice/{valid_key(name).replace('/', '_')}"
    folder, number = f"{stem}/", 2
    while folder in taken:
        folder, number = f"{stem} {number}/", number + 1
    return folder


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = json.dumps({"columns": columns, "data": rows})
    return text.replace("<", "\\u003c")  # browsers may open it, and names may contain HTML
