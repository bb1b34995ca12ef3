"""A search in MLflow: a run with the leaderboard, and a child run for every candidate."""

from __future__ import annotations

import math
from pathlib import Path

from pipeline.auto.leaderboard import Leaderboard
from pipeline.auto.ranking import Ranked
from pipeline.operations.record_group import record_group
from pipeline.spec.sections import Spec
from pipeline.tracking.groups import Child, Group


def record(board: Leaderboard, spec: Spec, directory: Path) -> None:
    """Send a search to MLflow. directory: of the search; its `report` is the runs' artifact."""
    winner = next(r for r in board.ranked if r.trial.name == board.winner.name)
    children = [
        Child(
            f"{r.trial.name} {r.trial.rows}",
            f"{r.trial.name}, {r.trial.rows:,} rows",
            _figures(r),
            {"candidate": r.trial.name, "rows": r.trial.rows},
            span=(r.trial.ended - r.trial.seconds, r.trial.ended) if r.trial.ended else None,
        )
        for r in board.ranked
    ]
    group = Group(
        tag="rootstock.auto",
        key=board.state.digest,
        name=f"auto {spec.name}",
        child_tag="rootstock.candidate",
        children=children,
        complete=False,
        metrics={"seconds": board.state.spent, **_figures(winner)},
        tags={"rootstock.winner": winner.trial.name},
    )
    record_group(spec, group, directory / "report")


def _figures(ranked: Ranked) -> dict[str, float]:
    values = {"trial_seconds": ranked.trial.seconds}
    if math.isfinite(ranked.gain):
        values["gain"] = ranked.gain
    assert ranked.trial.scores is not None
    for task, metrics in ranked.trial.scores.values.items():
        values |= {f"val.{task}.{m}": v for m, v in metrics.items() if v is not None}
    return values
