from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score
from sklearn.metrics import balanced_accuracy_score as balanced_accuracy

from components.calibration.decisions import best_decision, choose_decisions, gained
from components.calibration.unseen import Unseen
from components.stage import Observer, Silent
from components.training.rows import Rows
from components.training.unseen_rows import unseen_rows
from models.balancing.loss_based.equal import Equal
from models.experts.margins import MARGINS
from models.inputs.numeric import NumericFeature
from models.inputs.representation import REPRESENTATION
from models.multitask.model import MultitaskModel
from models.sharing.hard import Hard
from models.tasks.base import Costs, DecisionMetric, TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.multilabel import MultilabelTask
from models.trunks.encoders.column_mlp import ColumnMlp
from models.trunks.scratch import Scratch


def test_no_other_threshold_has_a_higher_f1() -> None:
    rng = np.random.default_rng(0)
    yes = rng.random(200) < 0.15
    p = (1 / (1 + np.exp(3 - 2 * yes - rng.normal(size=200)))).round(2)  # with ties
    chosen = best_decision(yes, p)
    every = [f1_score(yes, p > t, zero_division=0) for t in np.linspace(0, 1, 201)]
    assert f1_score(yes, p > chosen) == pytest.approx(max(every))
    assert chosen < 0.5 < f1_score(yes, p > chosen) + 0.2
    assert f1_score(yes, p > chosen) > f1_score(yes, p > 0.5) + 0.1


@pytest.mark.parametrize(
    ("yes", "p", "expected"),
    [
        ([1, 1, 0, 0], [0.9, 0.8, 0.4, 0.1], 0.6),  # the middle of the gap
        ([1, 1, 1], [0.9, 0.3, 0.2], 0.1),  # below the lowest probability
        ([1, 0, 0], [0.9, 0.3, 0.2], 0.5),  # a single positive label
        ([], [], 0.5),
    ],
)
def test_where_it_lies(yes: list[int], p: list[float], expected: float) -> None:
    assert best_decision(np.array(yes, bool), np.array(p)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("metric", "measure"), [("accuracy", accuracy_score), ("balanced_accuracy", balanced_accuracy)]
)
def test_other_metrics(metric: DecisionMetric, measure: Callable[..., float]) -> None:
    rng = np.random.default_rng(1)
    yes = rng.random(300) < 0.1
    p = (1 / (1 + np.exp(2 - yes - rng.normal(size=300)))).round(2)
    chosen = best_decision(yes, p, metric)
    every = [measure(yes, p > t) for t in np.linspace(0, 1, 201)]
    assert measure(yes, p > chosen) == pytest.approx(max(every))


def test_no_answer_is_yes_if_that_is_the_most_accurate() -> None:
    yes, p = np.array([1, 0, 1, 0, 0], bool), np.array([0.2, 0.9, 0.1, 0.8, 0.7])
    assert best_decision(yes, p, "accuracy") == pytest.approx(0.95)


def test_what_it_gains_is_said_out_of_fold() -> None:
    rng = np.random.default_rng(0)
    yes = rng.random(1000) < 0.1
    p = 1 / (1 + np.exp(3 - 2 * yes - rng.normal(size=1000)))
    before, _, after, *_ = gained(yes, p, np.arange(1000), "f1").split()
    assert float(before) == pytest.approx(f1_score(yes, p > 0.5), abs=1e-4)
    best = f1_score(yes, p > best_decision(yes, p))
    assert float(before) + 0.1 < float(after) < best
    before = gained(yes, p, np.arange(1000), "balanced_accuracy").split()[0]
    assert float(before) == pytest.approx(balanced_accuracy(yes, p > 0.5), abs=1e-4)
    noise = rng.random(1000)
    before, _, after, *_ = gained(yes, noise, np.arange(1000) // 2, "accuracy").split()
    assert float(after) == pytest.approx(1 - yes.mean(), abs=0.02), "of groups, each in one fold"


def test_costs_give_the_threshold_and_are_checked() -> None:
    target = TaskTarget(
        task=BinaryTask(name="spam", label="s", decision=COSTS), decision=COSTS.decision
    )
    assert target.task.stated_decision == pytest.approx(5 / 6)
    model, observer = model_of(0.0, target), Warned()
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=2000)
    yes = (rng.random(2000) < 1 / (1 + np.exp(-logits))) * 1.0
    right, wrong = ({"spam": Unseen(yes, z[:, None], 2000)} for z in (logits, 4 * logits - 12))
    assert choose_decisions(model, right, observer) == {}
    paid = np.where((logits > np.log(5)) == yes, 0, np.where(yes, 1, 5)).mean()
    assert observer.figures["spam cost"].startswith(f"{paid:.4g} per row above 0.8333")
    assert observer.warnings == []
    choose_decisions(model, wrong, observer)
    assert "are not right: state `calibration: auto`" in observer.warnings[0]
    choose_decisions(model, {"spam": Unseen(yes[:0], logits[:0, None])}, observer)
    assert "there are no validation rows" in observer.warnings[1]


def test_what_several_labels_gain_is_of_all_rows_and_classes() -> None:
    rng = np.random.default_rng(0)
    yes = rng.random((400, 2)) < (0.1, 0.5)
    outputs = 2 * yes - 2 + rng.normal(size=(400, 2))
    tags = Unseen(yes * 1.0, outputs, 400, np.arange(400))
    unseen = {"spam": Unseen(yes[:, 0] * 1.0, outputs[:, :1]), "tags": tags}
    model, observer = model_of(0.0), Warned()
    choose_decisions(model, unseen, observer)
    before, *_ = observer.figures["tags f1"].split()
    assert float(before) == pytest.approx(f1_score(yes.ravel(), outputs.ravel() > 0), abs=1e-4)


class Warned(Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.figures: dict[str, str] = {}

    def figure(self, name: str, value: float | int | str) -> None:
        self.figures[name] = str(value)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


TARGETS = (
    TaskTarget(task=BinaryTask(name="spam", label="s", decision="f1"), classes=("no", "yes")),
    TaskTarget(task=MultilabelTask(name="tags", label="t", decision="f1"), classes=("a", "b")),
    TaskTarget(task=BinaryTask(name="other", label="o"), classes=("no", "yes")),
)


COSTS = Costs(false_positive=5, false_negative=1)


def model_of(network: float, *targets: TaskTarget) -> MultitaskModel:
    """A model in which one expert has the rest of the last word."""
    feature = NumericFeature(name="x", column="x", mean=0, deviation=1)
    model = MultitaskModel(
        (feature,),
        targets or TARGETS,
        Scratch(width=4, columns=ColumnMlp(layers=(4,), members=1)),
        Hard(),
        Equal(),
        ("trees",),
    )
    for target, units in zip(targets or TARGETS, (1, 2, 1), strict=False):
        weights = np.array([network, 1 - network])
        model.last_word.assign(target.name, weights, np.full(units, 0.5))
    return model


def rows(spam: list[float], margin: list[float]) -> Rows:
    margins = np.stack([np.array(margin, np.float32)] * 4, axis=1)
    margins[:, 2] = 5.0  # of a label that always applies
    labels = {
        "spam": np.array(spam, np.float32),
        "tags": np.stack([spam, np.ones(len(spam))], axis=1).astype(np.float32),
        "other": np.array(spam, np.float32),
    }
    features = {REPRESENTATION: np.zeros((len(spam), 4), np.float32), MARGINS: margins}
    return Rows(features, labels)


def chosen_on(
    model: MultitaskModel, train: Rows, val: Rows | None, observer: Observer
) -> dict[str, float]:
    return choose_decisions(model, unseen_rows(model, train, val), observer)


def test_training_rows_count_with_what_experts_say_out_of_fold() -> None:
    train = rows([1, 1, 0, np.nan], [-1.0, -2.0, -4.0, 9.0])
    chosen = chosen_on(model_of(0.2), train, None, Silent())
    low, high = (1 / (1 + np.exp(-(m + 0.5))) for m in (-4.0, -2.0))
    assert chosen["spam"] == pytest.approx((low + high) / 2)
    assert chosen["tags"] == pytest.approx((low + high) / 2)
    assert set(chosen) == {"spam", "tags"}


def test_without_rows_that_the_network_has_not_seen_it_stays_and_says_so() -> None:
    observer = Warned()
    train = rows([1, 1, 0], [-1.0, -2.0, -4.0])
    assert chosen_on(model_of(0.9), train, None, observer) == {"spam": 0.5, "tags": 0.5}
    assert observer.warnings[0].startswith("tasks.spam.decision: 0 positive labels in rows that")


def test_validation_rows_count_with_the_answers_of_the_model() -> None:
    train, val = rows([0, 0], [-9.0, -9.0]), rows([1, 1, 0], [3.0, 2.0, 1.0])
    model = model_of(0.0)
    chosen = chosen_on(model, train, val, Silent())
    high, low = (1 / (1 + np.exp(-(m + 0.5))) for m in (2.0, 1.0))
    assert chosen["spam"] == pytest.approx((low + high) / 2, abs=1e-6)
