"""A run with child runs in MLflow, for what compares many models: a study or a search.

Runs are found again by their tags, so sending a group again adds only what is new.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.store.locks import locked
from pipeline.tracking.client import (
    artifacts_of,
    connect,
    ensure_experiment,
    log,
    metrics_at,
    milliseconds,
)

MOST_RUNS = 5000


@dataclass(frozen=True)
class Child:
    """One model that was compared. key: unique in its group. span: when its training started and
    ended, in seconds since 1970; None if that is not known.
    """

    key: str
    name: str
    metrics: Mapping[str, float]
    params: Mapping[str, object]
    tags: Mapping[str, str] = field(default_factory=dict)
    span: tuple[float, float] | None = None


@dataclass(frozen=True)
class Group:
    """A study or a search.

    tag: the name of the MLflow tag that holds the group's key. child_tag: of that with a child's.
    complete: the group cannot grow, so it is not sent again once MLflow has it.
    """

    tag: str
    key: str
    name: str
    child_tag: str
    children: Sequence[Child]
    complete: bool
    metrics: Mapping[str, float]
    params: Mapping[str, object] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def span(self) -> tuple[float, float]:
        """From the first start of a child to the last end; now, if none is known."""
        spans = [child.span for child in self.children if child.span is not None]
        now = time.time()
        return min((s for s, _ in spans), default=now), max((e for _, e in spans), default=now)


def send(group: Group, report: Path, uri: str, experiment: str, store: Path) -> None:
    """Send a group to the MLflow at `uri`, with the files in the directory `report`.

    store: keeps MLflow's artifacts, unless a tracking server does.

    Raises:
        Exception: MLflow's own, when it cannot be reached or refuses.
    """
    client = connect(uri)
    start, end = map(milliseconds, group.span)
    with locked(report.parent / ".mlflow", wait=True):
        experiment_id = ensure_experiment(client, experiment, artifacts_of(store, uri))
        query = f"tags.`{group.tag}` = '{group.key}'"
        runs = client.search_runs([experiment_id], query, max_results=MOST_RUNS)
        known = {run.data.tags.get(group.child_tag, ""): run for run in runs}
        if group.complete and "" in known and known[""].info.status == "FINISHED":
            return
        parent = known.get("") or client.create_run(
            experiment_id, start, {group.tag: group.key}, group.name
        )
        parent_id = parent.info.run_id
        for child in group.children:
            if child.key not in known:
                tags = {group.tag: group.key, group.child_tag: child.key, **child.tags}
                tags["mlflow.parentRunId"] = parent_id
                began, ended = child.span or group.span
                run = client.create_run(experiment_id, milliseconds(began), tags, child.name)
                log(client, run.info.run_id, metrics_at(ended, child.metrics), child.params)
                client.set_terminated(run.info.run_id, end_time=milliseconds(ended))
        log(client, parent_id, metrics_at(end / 1000, group.metrics), group.params, group.tags)
        client.log_artifacts(parent_id, str(report))
        client.set_terminated(parent_id, end_time=end)
