"""What makes answers usable: calibration, and the threshold that the metric or the costs want."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import RootstockError
from models.balancing.loss_based.equal import Equal
from models.calibration.temperature import Temperature
from models.multitask.record import ModelRecord
from models.sharing.hard import Hard
from models.tasks.base import Costs, TaskTarget
from models.tasks.binary import BinaryTask
from models.trunks.scratch import Scratch
from pipeline.auto.answers import answer_changes, parse_cost, sentences
from pipeline.auto.ranking import Metrics
from pipeline.spec.load import SpecSource

SPEC = """\
name: small
data: {sources: [{format: csv, path: rows.csv}]}
inputs: {x: {kind: numeric}}
tasks:
  spam: {kind: binary, label: s}
  tags: {kind: multilabel, label: t}
  price: {kind: regression, label: p}
  stated: {kind: binary, label: o, calibration: none, decision: 0.3}
"""


@pytest.fixture
def source(tmp_path: Path) -> SpecSource:
    (tmp_path / "spec.yaml").write_text(SPEC)
    return SpecSource(tmp_path / "spec.yaml")


def changes(source: SpecSource, costs: dict[str, Costs], **metrics: str) -> tuple[str, ...]:
    first = {"spam": "auc", "tags": "micro_auc", "price": "mae", "stated": "f1"}
    return answer_changes(source, Metrics(first | metrics, {}), costs)


def test_the_metric_tells_whether_a_threshold_is_chosen(source: SpecSource) -> None:
    calibrated = ("tasks.spam.calibration=auto", "tasks.tags.calibration=auto")
    assert changes(source, {}) == calibrated
    assert changes(source, {}, spam="accuracy") == calibrated, "of right probabilities it is 0.5"
    found = changes(source, {}, spam="f1", tags="macro_f1")
    assert set(found) == {*calibrated, "tasks.spam.decision=f1", "tasks.tags.decision=f1"}
    spec = source.spec(*found)
    assert spec.tasks["spam"].decides_by == "f1"
    assert spec.tasks["stated"].decides_by == 0.3


def test_costs_win_over_the_metric_and_the_spec(source: SpecSource) -> None:
    own = {"spam": Costs(false_negative=20.0), "": Costs(false_positive=3.0)}
    spec = source.spec(*changes(source, own, spam="f1"))
    assert spec.tasks["spam"].decides_by == Costs(false_negative=20.0)
    assert spec.tasks["stated"].stated_decision == 0.75
    with pytest.raises(RootstockError, match="--cost price: expected a task that answers yes or"):
        changes(source, {"price": Costs()})


@pytest.mark.parametrize("text", ["fraud", "fraud=1", "fraud=1:x", "1:0", "1:2:3", "=inf:1"])
def test_costs_that_are_none(text: str) -> None:
    with pytest.raises(RootstockError, match="two numbers above 0, such as fraud=1:20"):
        parse_cost(text)


def test_costs_of_one_task_and_of_all() -> None:
    assert parse_cost("fraud=1:20") == ("fraud", Costs(false_positive=1, false_negative=20))
    assert parse_cost("2.5:1") == ("", Costs(false_positive=2.5))


def record(decision: float, task: BinaryTask, temperature: float | None = None) -> ModelRecord:
    made = {} if temperature is None else {"spam": Temperature(temperature=temperature)}
    target = TaskTarget(task=task, classes=("no", "yes"), decision=decision)
    return ModelRecord(
        features=(),
        targets=(target,),
        trunk=Scratch(),
        sharing=Hard(),
        balancing=Equal(),
        calibrations=made,
    )


def evaluation(**more: object) -> dict[str, object]:
    values = {"log_loss": 0.25, "calibration_error": 0.01, "f1": 0.9, "brier": None}
    values |= {"recall": 0.8, "specificity": 0.9}
    support = {"positive": {"rows": 20}, "negative": {"rows": 80}}
    return {"split": "test", "tasks": {"spam": {"values": values, "support": support, **more}}}


def test_what_they_do_is_said_before_and_after() -> None:
    task = BinaryTask(name="spam", label="s", calibration="auto", decision="f1")
    before = {"values": {"log_loss": 0.3, "calibration_error": 0.05, "brier": 0.1}}
    half = {"f1": 0.85, "recall": 0.5, "specificity": 0.95}
    own = record(0.31, task, temperature=1.5)
    assert list(sentences(own, evaluation(uncalibrated=before, at_half=half))) == [
        "spam: calibrated by temperature 1.5; on test rows log_loss 0.3000 → 0.2500,"
        " calibration_error 0.0500 → 0.0100.",
        "spam: yes above 0.31 instead of 0.5, chosen for f1; on test rows f1 0.8500 → 0.9000.",
    ]
    costs = BinaryTask(name="spam", label="s", decision=Costs(false_negative=20.0))
    assert list(sentences(record(1 / 21, costs), evaluation(at_half=half))) == [
        "spam: yes above 0.0476, which the costs ask for: 0.88 per row of the test rows; above 0.5,"
        " 2.04."
    ]


def test_that_nothing_was_changed_is_said_too() -> None:
    task = BinaryTask(name="spam", label="s", calibration="auto", decision="f1")
    first, second = sentences(record(0.5, task), evaluation())
    assert first.startswith("spam: probabilities are not changed, because no calibration is")
    assert first.endswith("on test rows log_loss 0.2500, calibration_error 0.0100.")
    assert second == "spam: yes above 0.5: f1 wants no other threshold, or too few rows tell."
    assert list(sentences(record(0.5, BinaryTask(name="spam", label="s")), evaluation())) == []
