"""Which labels are scarce, and whether tasks gain from each other."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from components.artifacts import Examples, ExportedModel
from components.experiments.scorer import ScoreFigures
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from pipeline.auto import next_steps
from pipeline.auto.next_steps import NO_TIME, scarce, together
from pipeline.auto.ranking import Metrics
from pipeline.auto.state import Request, State, Trial

METRICS = Metrics({"y": "auc", "z": "auc"}, {"y": 1, "z": 1})
NOISE = np.random.default_rng(0).normal(size=(2, 100))


def test_scarce_labels_are_named_rarest_first() -> None:
    task = MulticlassTask(name="kind", label="kind")
    target = TaskTarget(
        task=task, classes=("a", "b", "c"), class_counts=(900, 40, 12), labelled=952
    )
    missing, few = scarce(target, 1000)
    assert missing == "kind: 952 of 1,000 training rows have the label."
    assert few == "kind: scarce among 952 labelled training rows: c 12, b 40."


def test_balanced_labels_are_not_mentioned() -> None:
    target = TaskTarget(
        task=BinaryTask(name="y", label="y"),
        classes=("no", "yes"),
        class_counts=(600, 400),
        labelled=1000,
    )
    assert list(scarce(target, 1000)) == []


def trial(name: str, auc: dict[str, float], own: int) -> Trial:
    scores = ScoreFigures(
        values={task: {"auc": v} for task, v in auc.items()},
        resampled={task: {"auc": tuple(v + 0.01 * NOISE[own])} for task, v in auc.items()},
        rows=500,
        parameters=1,
        latency_ms=1.0,
    )
    return Trial(name=name, rows=900, seconds=1.0, scores=scores)


@pytest.mark.parametrize(
    ("apart", "told"),
    [
        ({"y": 0.7, "z": 0.8}, ("helps", "cannot be told")),
        ({"y": 0.9, "z": 0.7}, ("harms", "helps")),
    ],
)
def test_tasks_together_are_compared_with_tasks_apart(
    apart: dict[str, float], told: tuple[str, str]
) -> None:
    trials = (trial("default", {"y": 0.8, "z": 0.8}, 0), trial("apart", apart, 1))
    state = State(request=Request(data="d", labels=("y", "z")), trials=trials)
    for sentence, expected in zip(together(state, METRICS), told, strict=True):
        assert f"the other tasks {expected}, beside" in sentence
    (only,) = together(State(request=state.request, trials=trials[:1]), METRICS)
    assert "was not measured" in only
    assert not list(together(state, Metrics({"y": "auc"}, {"y": 1})))


def test_columns_are_not_measured_beyond_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(next_steps, "read_description", lambda _: SimpleNamespace(targets=()))
    monkeypatch.setattr(next_steps, "importance", lambda *_: pytest.fail("there is no time"))
    state, nothing = State(request=Request(data="", labels=())), Metrics({}, {})
    model, examples = ExportedModel(Path()), Examples(Path())
    told = next_steps.next_steps(state, nothing, 9, 9, model, SimpleNamespace(), examples, (), 0.5)  # type: ignore[arg-type]
    assert NO_TIME in told.sentences
    assert told.columns is None
