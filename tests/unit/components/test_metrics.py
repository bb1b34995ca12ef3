import numpy as np
import pytest
from sklearn import metrics as sk

from components.metrics import METRICS, TaskMetrics, measure
from models.task import BinaryTask, MulticlassTask, MultilabelTask, RegressionTask, TaskTarget

BINARY = TaskTarget(task=BinaryTask(name="t", label="y"), classes=("negative", "positive"))
CLASSES = TaskTarget(task=MulticlassTask(name="t", label="y"), classes=("a", "b", "c", "d"))
LABELS = TaskTarget(task=MultilabelTask(name="t", label="y"), classes=("a", "b", "c"))
NUMBER = TaskTarget(task=RegressionTask(name="t", label="y"))


def binary_case(seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(500) < 0.3).astype("float32")
    scores = np.clip(0.35 * labels + 0.6 * rng.random(500), 0, 1).astype("float32")
    if ties:
        scores = scores.round(1)
    scores[:3] = 0, 1, 1  # saturated answers
    return labels, scores


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_binary_equals_scikit_learn(seed, ties):
    y, p = binary_case(seed, ties)
    got = measure(BINARY, y, p[:, None])
    said = p > 0.5
    curve = sk.precision_recall_curve(y, p)[:2]
    expected = {
        "auc": sk.roc_auc_score(y, p),
        "auprc": sk.average_precision_score(y, p),
        "log_loss": sk.log_loss(y, p),
        "accuracy": sk.accuracy_score(y, said),
        "f1": sk.f1_score(y, said),
        "precision": sk.precision_score(y, said),
        "recall": sk.recall_score(y, said),
        "best_f1": max(2 * a * b / (a + b) for a, b in zip(*curve, strict=True) if a + b),
    }
    assert {k: got.values[k] for k in expected} == pytest.approx(expected, abs=1e-6)
    at_best = p >= np.float32(got.values["best_f1_threshold"])
    assert sk.f1_score(y, at_best) == pytest.approx(got.values["best_f1"])
    assert got.confusion == tuple(map(tuple, sk.confusion_matrix(y, said)))
    assert got.undefined == {}


def test_multiclass_equals_scikit_learn():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 4, 400).astype("int32")
    logits = rng.normal(size=(400, 4)) + 1.5 * np.eye(4)[y]
    p = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype("float32")
    got = measure(CLASSES, y, p)
    said = p.argmax(1)
    assert got.values == pytest.approx(
        {
            "accuracy": sk.accuracy_score(y, said),
            "balanced_accuracy": sk.balanced_accuracy_score(y, said),
            "macro_f1": sk.f1_score(y, said, average="macro"),
            "macro_auc": np.mean([sk.roc_auc_score(y == c, p[:, c]) for c in range(4)]),
            "log_loss": -np.log(p[np.arange(400), y] / p.sum(1)).mean(),
            "calibration_error": got.values["calibration_error"],
        },
        abs=1e-6,
    )
    assert got.confusion == tuple(map(tuple, sk.confusion_matrix(y, said)))


def test_multiclass_with_an_unseen_class_averages_over_the_others():
    y = np.array([0, 0, 1, 1], "int32")
    p = np.array([[0.8, 0.2, 0, 0], [0.4, 0.6, 0, 0], [0.1, 0.9, 0, 0], [0.3, 0.7, 0, 0]])
    got = measure(CLASSES, y, p)
    assert got.values["macro_f1"] == pytest.approx(sk.f1_score(y, p.argmax(1), average="macro"))
    assert got.values["macro_auc"] == pytest.approx(1.0)
    assert np.array(got.confusion).shape == (4, 4)


def test_multilabel_equals_scikit_learn():
    rng = np.random.default_rng(2)
    y = (rng.random((300, 3)) < [0.2, 0.5, 0.7]).astype("float32")
    p = np.clip(0.3 * y + 0.6 * rng.random((300, 3)), 0, 1)
    got = measure(LABELS, y, p)
    assert got.values == pytest.approx(
        {
            "micro_auc": sk.roc_auc_score(y, p, average="micro"),
            "macro_auc": sk.roc_auc_score(y, p, average="macro"),
            "micro_f1": sk.f1_score(y, p > 0.5, average="micro"),
            "macro_f1": sk.f1_score(y, p > 0.5, average="macro"),
            "exact_match": sk.accuracy_score(y, p > 0.5),
        },
        abs=1e-6,
    )


def test_regression_equals_scikit_learn():
    rng = np.random.default_rng(3)
    y = rng.normal(40, 12, 200).astype("float32")
    p = y + rng.normal(0, 5, 200)
    assert measure(NUMBER, y, p[:, None]).values == pytest.approx(
        {
            "mae": sk.mean_absolute_error(y, p),
            "rmse": sk.root_mean_squared_error(y, p),
            "r2": sk.r2_score(y, p),
        },
        abs=1e-6,
    )


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
        (CLASSES, [0, 1, 2, -1, -1], np.eye(4)[[0, 1, 1, 3, 2]]),
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
    assert_undefined(got, METRICS[kind])
    assert got.rows == 0


def test_answers_that_are_not_numbers_are_undefined_with_a_reason():
    got = measure(NUMBER, np.array([1.0, 2.0]), np.array([1.0, np.nan]))
    assert_undefined(got, METRICS["regression"])
    assert "1 answers are not finite" in got.undefined["mae"]


def test_one_class_only_leaves_the_other_metrics_defined():
    got = measure(BINARY, np.zeros(4), np.array([0.1, 0.2, 0.3, 0.4]))
    undefined = {n for n, v in got.values.items() if v is None}
    assert undefined == {
        "auc", "auprc", "f1", "precision", "recall", "best_f1", "best_f1_threshold"
    }  # fmt: skip
    assert undefined == set(got.undefined)
    assert got.values["accuracy"] == 1.0


def test_constant_label_has_no_r2():
    got = measure(NUMBER, np.ones(3), np.array([1.0, 2.0, 3.0]))
    assert got.undefined == {"r2": "all labels are equal"}


@pytest.mark.parametrize(("target", "kind"), [(BINARY, "binary"), (NUMBER, "regression")])
def test_metric_names_are_those_that_thresholds_may_use(target, kind):
    got = measure(target, np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.7, 0.6]))
    assert tuple(got.values) == METRICS[kind]


def test_curves_are_thinned_and_keep_their_ends():
    y, p = binary_case(0, ties=False)
    got = measure(BINARY, np.tile(y, 20), np.linspace(0, 0.001, 10_000) + np.tile(p, 20))
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
