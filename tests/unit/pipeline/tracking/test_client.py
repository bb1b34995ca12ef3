"""Names in MLflow: of every alphabet, and different where the names are."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipeline.tracking.client import LONGEST_KEY, connect, ensure_experiment, log, metrics_at

# MLflow 3.17 asks SQLAlchemy 2.1 for what that deprecates.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
]
NAMES = (
    "доход.auc",
    "брак.auc",
    "收入.auc",
    "slice/город=Пермь/доход.auc",
    "हिन्दी.auc",  # differ in a vowel sign, which is no letter to MLflow
    "हिन्दा.auc",
    "a" * (LONGEST_KEY + 1),
    "a" * (LONGEST_KEY + 2),
)


def test_metrics_of_tasks_in_any_alphabet_are_all_in_mlflow(tmp_path: Path) -> None:
    client = connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = ensure_experiment(client, "доход", tmp_path)
    run = client.create_run(experiment, run_name="все вместе").info.run_id
    values = {name: float(i) for i, name in enumerate(NAMES)}
    log(client, run, metrics_at(time.time(), values), {"доход.вес": 1})
    found = client.get_run(run).data
    assert sorted(found.metrics.values()) == list(values.values())
    assert found.metrics["доход.auc"] == 0
    assert found.metrics["slice/город_Пермь/доход.auc"] == 3
    assert found.params == {"доход.вес": "1"}
