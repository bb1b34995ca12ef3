"""Tells MLflow about a search: a run with the report, and a child run for every trial. Telling it
again adds what is new: runs are found by their tags.
"""

from __future__ import annotations

import os
from pathlib import Path

from optuna.trial import FrozenTrial

from pipeline.spec.trunk_lookup import tracking_uri
from pipeline.store.locks import locked
from pipeline.tracking.children import experiment, log
from pipeline.tracking.sync import QUIET
from pipeline.tune.report import Found
from pipeline.tune.search import FIGURES, SECONDS, TEST

SEARCH, TRIAL = "rootstock.search", "rootstock.trial"


def record(found: Found, directory: Path, name: str) -> None:
    """Record a search, by its Optuna study's name, whose report lies in `directory`.

    Raises:
        Exception: MLflow's own, when it cannot be reached or refuses.
    """
    os.environ.update({k: os.environ.get(k, v) for k, v in QUIET.items()})
    import mlflow

    uri = tracking_uri(found.spec)
    client = mlflow.MlflowClient(uri, uri)
    with locked(directory.parent / ".mlflow", wait=True):
        group = found.spec.tracking.experiment or found.spec.name
        place = experiment(client, group, uri, found.spec.store)
        runs = client.search_runs([place], f"tags.`{SEARCH}` = '{name}'", max_results=5000)
        known = {run.data.tags.get(TRIAL, ""): run for run in runs}
        parent = known.get("") or client.create_run(
            place, tags={SEARCH: name}, run_name=f"tune {found.spec.name}"
        )
        parent_id = parent.info.run_id
        for trial in found.trials:
            if (number := str(trial.number)) not in known:
                tags = {SEARCH: name, TRIAL: number, "mlflow.parentRunId": parent_id}
                tags["rootstock.state"] = trial.state.name.lower()
                child = client.create_run(place, tags=tags, run_name=f"trial {trial.number + 1}")
                log(client, child.info.run_id, _figures(trial), trial.params)
                client.set_terminated(child.info.run_id)
        if found.best is not None:
            log(client, parent_id, {"gain": found.best.value or 0.0}, {})
            client.set_tag(parent_id, "rootstock.best", str(found.best.number + 1))
        client.log_artifacts(parent_id, str(directory))
        client.set_terminated(parent_id)


def _figures(trial: FrozenTrial) -> dict[str, float]:
    """Gain, seconds, and metrics on validation and test rows."""
    found = {} if trial.value is None else {"gain": trial.value}
    if (seconds := trial.user_attrs.get(SECONDS)) is not None:
        found["seconds"] = seconds
    for split, name in (("val", FIGURES), ("test", TEST)):
        for task, values in trial.user_attrs.get(name, {}).items():
            found |= {f"{split}.{task}.{m}": v for m, v in values.items() if v is not None}
    return found
