from dataclasses import dataclass, replace

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.exceptions import UndefinedMetricWarning

from components.evaluation.metrics import TaskMetrics, family_of, measure
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

BINARY = TaskTarget(task=BinaryTask(name="t", label="y"), classes=("negative", "positive"))
CLASSES = TaskTarget(task=MulticlassTask(name="t", label="y"), classes=tuple("abcdef"))
LABELS = TaskTarget(task=MultilabelTask(name="t", label="y"), classes=("a", "b", "c"))
NUMBER = TaskTarget(task=RegressionTask(name="t", label="y"))
EPS = np.finfo(np.float32).eps


@dataclass(frozen=True)
class Case:
    """Labels and predictions of a task, some rows unlabelled, and row weights for scikit-learn."""

    labels: np.ndarray
    outputs: np.ndarray
    weights: np.ndarray | None

    @property
    def weighting(self) -> dict[str, np.ndarray | None]:
        there = self.there
        return {"sample_weight": None if self.weights is None else self.weights[there]}

    @property
    def there(self) -> np.ndarray:
        if self.labels.ndim == 2:
            return ~np.isnan(self.labels[:, 0])
        return self.labels >= 0 if self.labels.dtype == np.int32 else ~np.isnan(self.labels)


def cases(kind: str, count: int = 40):
    """Generated cases: rows, ties, weights, missing labels, classes that never occur."""
    for seed in range(count):
        rng = np.random.default_rng([seed, len(kind)])
        rows = int(rng.integers(2, 300))
        if kind == "binary":
            labels = (rng.random(rows) < rng.choice([0.0, 0.02, 0.3, 0.9, 1.0])).astype("float32")
            outputs = np.clip(0.35 * labels + 0.6 * rng.random(rows), 0, 1)[:, None]
            labels[rng.random(rows) < 0.2] = np.nan
            labels[0] = rng.integers(2)
        elif kind == "multiclass":
            labels = rng.integers(0, rng.integers(1, 7), rows).astype("int32")
            logits = rng.normal(size=(rows, 6)) + 1.5 * np.eye(6)[labels]
            outputs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            labels[1:][rng.random(rows - 1) < 0.2] = -1
        elif kind == "multilabel":
            labels = (rng.random((rows, 3)) < rng.random(3)).astype("float32")
            outputs = np.clip(0.3 * labels + 0.6 * rng.random((rows, 3)), 0, 1)
            labels[1:][rng.random(rows - 1) < 0.2] = np.nan
        else:
            labels = rng.normal(40, 12, rows).astype("float32")
            outputs = (labels + rng.normal(0, 5, rows))[:, None]
            labels[2:][rng.random(rows - 2) < 0.2] = np.nan
        if rng.random() < 0.5 and kind != "regression":
            outputs = outputs.round(1)
        yield Case(labels, outputs, rng.gamma(1.0, size=rows) if seed % 2 else None)


def or_none(score, *args, **weighting):
    """None where scikit-learn cannot say, which it tells by a warning or by NaN."""
    try:
        value = score(*args, **weighting)
    except (UndefinedMetricWarning, ValueError):
        return None
    return None if np.isnan(value) else value


def f1_or_none(yes, said, weighting):
    return None if not (yes.any() or said.any()) else sk.f1_score(yes, said, **weighting)


def mean(values):
    there = [v for v in values if v is not None]
    return np.mean(there) if there else None


@pytest.mark.filterwarnings("ignore:No positive class found:UserWarning")
@pytest.mark.filterwarnings("ignore:A single label was found:UserWarning")
def test_binary_equals_scikit_learn():
    for case in cases("binary"):
        y, p = case.labels[case.there], case.outputs[case.there, 0]
        got, said, weighting = (
            measure(BINARY, case.labels, case.outputs, case.weights),
            p > 0.5,
            case.weighting,
        )
        expected = {
            "auc": or_none(sk.roc_auc_score, y, p, **weighting),
            "auprc": sk.average_precision_score(y, p, **weighting) if y.any() else None,
            "log_loss": sk.log_loss(y, np.clip(p, EPS, 1 - EPS), labels=[0, 1], **weighting),
            "brier": sk.brier_score_loss(y, p, labels=[0, 1], **weighting),
            "accuracy": sk.accuracy_score(y, said, **weighting),
            "f1": f1_or_none(y, said, weighting),
            "precision": sk.precision_score(y, said, **weighting) if said.any() else None,
            "recall": sk.recall_score(y, said, **weighting) if y.any() else None,
            "specificity": None if y.all() else sk.recall_score(y, said, pos_label=0, **weighting),
            "best_f1": None,
            "precision_at_recall_90": None,
        }
        if y.any():
            precision, recall, _ = sk.precision_recall_curve(y, p, **weighting)
            both = precision + recall
            expected["best_f1"] = (2 * precision * recall / np.where(both, both, 1)).max()
            expected["precision_at_recall_90"] = precision[recall >= 0.9 - 1e-12].max()
            at_best = p >= got.values["best_f1_threshold"]
            assert sk.f1_score(y, at_best, **weighting) == pytest.approx(got.values["best_f1"])
        assert {k: got.values[k] for k in expected} == pytest.approx(expected, abs=1e-6)
        assert got.confusion == tuple(map(tuple, sk.confusion_matrix(y, said, labels=[0, 1])))
        assert set(got.undefined) == {k for k, v in got.values.items() if v is None}


@pytest.mark.filterwarnings("ignore:A single label was found:UserWarning")
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true:UserWarning")
def test_multiclass_equals_scikit_learn():
    for case in cases("multiclass"):
        y, p, weighting = case.labels[case.there], case.outputs[case.there], case.weighting
        said, classes = p.argmax(1), np.arange(6)
        chosen = np.clip(p[np.arange(len(y)), y] / p.sum(1), EPS, 1 - EPS)
        expected = {
            "accuracy": sk.accuracy_score(y, said, **weighting),
            "balanced_accuracy": sk.balanced_accuracy_score(y, said, **weighting),
            "macro_f1": sk.f1_score(y, said, average="macro", **weighting),
            "macro_auc": mean(
                or_none(sk.roc_auc_score, y == c, p[:, c], **weighting) for c in classes
            ),
            "log_loss": np.average(-np.log(chosen), weights=weighting["sample_weight"]),
            "top_3_accuracy": sk.top_k_accuracy_score(y, p, k=3, labels=classes, **weighting),
            "top_5_accuracy": sk.top_k_accuracy_score(y, p, k=5, labels=classes, **weighting),
        }
        got = measure(CLASSES, case.labels, case.outputs, case.weights)
        assert {k: got.values[k] for k in expected} == pytest.approx(expected, abs=1e-6)
        assert got.confusion == tuple(map(tuple, sk.confusion_matrix(y, said, labels=classes)))


def test_multilabel_equals_scikit_learn():
    for case in cases("multilabel"):
        y, p, weighting = case.labels[case.there], case.outputs[case.there], case.weighting
        said, each = p > 0.5, range(3)
        weights = weighting["sample_weight"]
        flat = {"sample_weight": None if weights is None else np.repeat(weights, 3)}
        expected = {
            "micro_auc": or_none(sk.roc_auc_score, y.ravel(), p.ravel(), **flat),
            "macro_auc": mean(
                or_none(sk.roc_auc_score, y[:, c], p[:, c], **weighting) for c in each
            ),
            "micro_auprc": sk.average_precision_score(y.ravel(), p.ravel(), **flat)
            if y.any()
            else None,
            "macro_auprc": mean(
                sk.average_precision_score(y[:, c], p[:, c], **weighting)
                for c in each
                if y[:, c].any()
            ),
            "micro_f1": f1_or_none(y.ravel(), said.ravel(), flat),
            "macro_f1": mean(f1_or_none(y[:, c], said[:, c], weighting) for c in each),
            "exact_match": sk.accuracy_score(y, said, **weighting),
            "hamming_loss": sk.hamming_loss(y, said, **weighting),
        }
        got = measure(LABELS, case.labels, case.outputs, case.weights)
        assert got.values == pytest.approx(expected, abs=1e-6)


def test_regression_equals_scikit_learn():
    for case in cases("regression"):
        y, p, weighting = (
            case.labels[case.there].astype(float),
            case.outputs[case.there, 0],
            case.weighting,
        )
        got = measure(NUMBER, case.labels, case.outputs, case.weights)
        assert got.values == pytest.approx(
            {
                "mae": sk.mean_absolute_error(y, p, **weighting),
                "rmse": sk.root_mean_squared_error(y, p, **weighting),
                "r2": or_none(sk.r2_score, y, p, **weighting),
            },
            abs=1e-6,
        )


def test_a_decision_threshold_moves_what_counts_as_yes():
    y, p = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.9, 0.3, 0.25, 0.1])
    assert measure(BINARY, y, p).values["recall"] == 0.5
    assert measure(BINARY, y, p, decision=0.28).values["recall"] == 1.0
    chosen = replace(BINARY, decision=0.28)
    assert measure(chosen, y, p).values["recall"] == 1.0
    assert measure(chosen, y, p, decision=0.5).values["recall"] == 0.5


def test_weights_of_zero_leave_nothing_to_measure():
    got = measure(NUMBER, np.ones(3), np.ones(3), np.zeros(3))
    assert set(got.undefined.values()) == {"all rows have weight 0"}


def test_multiclass_with_an_unseen_class_averages_over_the_others():
    y = np.array([0, 0, 1, 1], "int32")
    p = np.pad(np.array([[0.8, 0.2], [0.4, 0.6], [0.1, 0.9], [0.3, 0.7]]), ((0, 0), (0, 4)))
    got = measure(CLASSES, y, p)
    assert got.values["macro_f1"] == pytest.approx(sk.f1_score(y, p.argmax(1), average="macro"))
    assert got.values["macro_auc"] == pytest.approx(1.0)
    assert np.array(got.confusion).shape == (6, 6)


def test_calibration_error_of_a_known_case():
    # Ten answers of 0.95 of which six are right, ten of 0.25 of which two are.
    p = np.array([0.95] * 10 + [0.25] * 10)
    y = np.array([1.0] * 6 + [0.0] * 4 + [1.0] * 2 + [0.0] * 8)
    got = measure(BINARY, y, p)
    assert got.values["calibration_error"] == pytest.approx((0.35 + 0.05) / 2)
    assert [(b.count, b.accuracy) for b in got.reliability] == [(10, 0.2), (10, 0.6)]


@pytest.mark.parametrize(
    ("target", "labels", "outputs"),
    [
        (BINARY, [1, 0, 1, np.nan, np.nan], [0.9, 0.1, 0.4, 0.0, 0.3]),
        (CLASSES, [0, 1, 2, -1, -1], np.eye(6)[[0, 1, 1, 3, 2]]),
        (LABELS, [[1, 0, 0], [0, 1, 1], [0, 0, 0], [np.nan] * 3, [np.nan] * 3], np.eye(5, 3)),
        (NUMBER, [1, 2, 3, np.nan, np.nan], [1, 2, 4, 100, 100]),
    ],
)
def test_rows_without_the_label_do_not_count(target, labels, outputs):
    labels = np.asarray(labels, "int32" if target is CLASSES else "float32")
    outputs = np.asarray(outputs, "float32")
    got = measure(target, labels, outputs)
    assert got == measure(target, labels[:3], outputs[:3])
    assert got.rows == 3


@pytest.mark.parametrize("target", [BINARY, CLASSES, LABELS, NUMBER])
def test_nothing_labelled_is_undefined_with_a_reason(target):
    kind = target.task.kind
    shape = (4, 3) if kind == "multilabel" else 4
    labels = np.full(shape, -1) if kind == "multiclass" else np.full(shape, np.nan)
    got = measure(target, labels, np.zeros((4, max(1, len(target.classes)))))
    assert_undefined(got, family_of(kind).names)
    assert got.rows == 0


def test_answers_that_are_not_numbers_are_undefined_with_a_reason():
    got = measure(NUMBER, np.array([1.0, 2.0]), np.array([1.0, np.nan]))
    assert_undefined(got, family_of("regression").names)
    assert "1 answers are not finite" in got.undefined["mae"]


def test_one_class_only_leaves_the_other_metrics_defined():
    got = measure(BINARY, np.zeros(4), np.array([0.1, 0.2, 0.3, 0.4]))
    undefined = {n for n, v in got.values.items() if v is None}
    assert undefined == {
        "auc", "auprc", "f1", "precision", "recall", "best_f1", "best_f1_threshold",
        "precision_at_recall_90",
    }  # fmt: skip
    assert undefined == set(got.undefined)
    assert got.values["accuracy"] == 1.0


def test_constant_label_has_no_r2():
    got = measure(NUMBER, np.ones(3), np.array([1.0, 2.0, 3.0]))
    assert got.undefined == {"r2": "all labels are equal"}


def test_rows_without_weight_do_not_give_r2_a_spread():
    weights = np.array([0.7, 0.1, 0.3, 0.0])
    got = measure(NUMBER, np.array([0.1, 0.1, 0.1, 9.0]), np.ones(4), weights)
    assert got.undefined == {"r2": "all labels are equal"}


@pytest.mark.parametrize(("target", "kind"), [(BINARY, "binary"), (NUMBER, "regression")])
def test_metric_names_are_those_that_thresholds_may_use(target, kind):
    got = measure(target, np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.7, 0.6]))
    assert tuple(got.values) == family_of(kind).names


def test_curves_are_thinned_and_keep_their_ends():
    rng = np.random.default_rng(0)
    y = (rng.random(10_000) < 0.3).astype("float32")
    got = measure(BINARY, y, np.clip(0.35 * y + 0.6 * rng.random(10_000), 0, 1))
    assert len(got.roc) <= 103
    assert got.roc[0] == (0, 0)
    assert got.roc[-1] == (1, 1)
    x, height = np.transpose(got.roc)
    assert np.trapezoid(height, x) == pytest.approx(got.values["auc"], abs=2e-3)
    assert got.precision_recall[-1] == (1, pytest.approx(y.mean(), abs=1e-6))


def assert_undefined(got: TaskMetrics, names: tuple[str, ...]) -> None:
    assert got.values == dict.fromkeys(names)
    assert set(got.undefined) == set(names)
    assert all(got.undefined.values())
