"""A search in MLflow: a run with the report, and a child run for every trial."""

from __future__ import annotations

from pathlib import Path

from optuna.trial import FrozenTrial

from pipeline.operations.record_group import record_group
from pipeline.tracking.groups import Child, Group
from pipeline.tune.report import SearchResult
from pipeline.tune.search import FIGURES, SECONDS, SPAN, TEST


def record(result: SearchResult, report: Path, name: str) -> None:
    """Send a search to MLflow, with the directory of its report. name: of its Optuna study."""
    children = []
    for trial in result.trials:
        tags = {"rootstock.state": trial.state.name.lower()}
        number, title = str(trial.number), f"trial {trial.number + 1}"
        children.append(Child(number, title, _figures(trial), trial.params, tags, _span(trial)))
    best = result.best
    group = Group(
        tag="rootstock.search",
        key=name,
        name=f"tune {result.spec.name}",
        child_tag="rootstock.trial",
        children=children,
        complete=False,
        metrics={} if best is None else {"gain": best.value or 0.0},
        tags={} if best is None else {"rootstock.best": str(best.number + 1)},
    )
    record_group(result.spec, group, report)


def _span(trial: FrozenTrial) -> tuple[float, float] | None:
    """When it was trained; of a trial without result, when it was tried."""
    start, end = trial.datetime_start, trial.datetime_complete
    tried = (start.timestamp(), end.timestamp()) if start and end else None
    trained = trial.user_attrs.get(SPAN)
    return tried if trained is None else (trained[0], trained[1])


def _figures(trial: FrozenTrial) -> dict[str, float]:
    """Gain, seconds, and metrics on validation and test rows."""
    values = {} if trial.value is None else {"gain": trial.value}
    if (seconds := trial.user_attrs.get(SECONDS)) is not None:
        values["seconds"] = seconds
    for split, name in (("val", FIGURES), ("test", TEST)):
        for task, metrics in trial.user_attrs.get(name, {}).items():
            values |= {f"{split}.{task}.{m}": v for m, v in metrics.items() if v is not None}
    return values
