"""The expert `trees`: margins out of fold, and the served graph against LightGBM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import components.experts.trees
from components.experts.base import FitRows, Fitted
from components.experts.boosting import Boosting
from components.experts.out_of_fold import FOLDS, inner_folds
from components.experts.trees import TreesKind
from components.labels.base import Loss, Objective
from models.experts.base import ExpertInputs
from models.inputs.categorical import CategoricalFeature
from models.inputs.numeric import NumericFeature
from models.inputs.raw_text import RawTextFeature
from models.lazy import tf
from tests.needs_lightgbm import NEEDS_LIGHTGBM

pytestmark = NEEDS_LIGHTGBM

FEATURES = (
    NumericFeature(name="a", column="a", mean=0, deviation=1),
    NumericFeature(name="b", column="b", mean=0, deviation=1, boundaries=(0.0,)),
    RawTextFeature(name="text", column="text"),
    CategoricalFeature(name="c", column="c", vocabulary=tuple(f"v{i}" for i in range(28))),
)


def columns(rows: int, seed: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Raw and preprocessed values: `a` with missing ones, `b` with few values, `c` categories."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=rows).astype(np.float32)
    a[rng.random(rows) < 0.1] = np.nan
    b = rng.integers(-3, 4, rows).astype(np.float32)
    c = rng.integers(0, 30, rows).astype(np.int32)
    return {"a": a, "b": b}, {"b": (b > 0).astype(np.int32) + 2, "c": c}


def objective(loss: Loss, rows: int, seed: int = 0, noise: float = 0.5) -> Objective:
    """Labels that follow from the columns."""
    raw, ids = columns(rows, seed)
    rng = np.random.default_rng(seed + 1)
    score = np.where(np.isnan(raw["a"]), 1.0, raw["a"]) + (ids["c"] % 3 - 1.0) * (raw["b"] > 0)
    score = score + noise * rng.normal(size=rows)
    labels = {
        "logistic": lambda: score > 0,
        "softmax": lambda: np.digitize(score, [-0.7, 0.7]),
        "squared": lambda: score,
        "huber": lambda: score,
        "poisson": lambda: rng.poisson(np.exp(score / 2)),
    }[loss]()
    units = 3 if loss == "softmax" else 1
    return Objective(task=loss, loss=loss, labels=labels.astype(np.float64), units=units)


def fit_rows(*objectives: Objective, seed: int = 0) -> FitRows:
    rows = len(objectives[0].labels)
    raw, preprocessed = columns(rows, seed)
    groups = np.arange(rows)
    return FitRows(
        features=FEATURES,
        raw=raw,
        preprocessed=preprocessed,
        representation=None,
        objectives=objectives,
        folds=inner_folds(groups, FOLDS, seed),
        groups=groups,
        seed=seed,
        threads=1,
    )


def fitted(rows: FitRows) -> Fitted:
    (result,) = TreesKind().fit(rows, lambda sentence: None)
    return result


def served(result: Fitted, raw: Mapping[str, np.ndarray], ids: Mapping[str, np.ndarray]) -> Any:
    """The margins of the graph."""
    arrays = {name: tf.constant(array) for name, array in result.arrays.items()}

    @tf.function(autograph=False)
    def margins(raw: Any, ids: Any) -> Any:
        return result.expert.margins(arrays, ExpertInputs(raw=raw, features=ids))

    convert = tf.convert_to_tensor
    specs = [{k: tf.TensorSpec([None], v.dtype) for k, v in part.items()} for part in (raw, ids)]
    graph = margins.get_concrete_function(*specs)
    return graph(
        {k: convert(v) for k, v in raw.items()}, {k: convert(v) for k, v in ids.items()}
    ).numpy()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.experts.boosting.MOST_ROUNDS", 20)


def test_it_reads_numbers_and_categories() -> None:
    kind = TreesKind()
    assert kind.reads(FEATURES, represented=False)
    assert not kind.reads([f for f in FEATURES if f.name == "text"], represented=True)
    assert (kind.package, kind.extra) == ("lightgbm", "trees")


@pytest.mark.slow
def test_the_graph_is_the_average_of_lightgbms_models(
    short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = []
    fit = Boosting.fit

    def recorded(self: Boosting, objective: Objective, among: np.ndarray) -> Any:
        models.append((objective.task, fit(self, objective, among)))
        return models[-1][1]

    monkeypatch.setattr(Boosting, "fit", recorded)
    losses: tuple[Loss, ...] = ("logistic", "softmax", "squared", "huber", "poisson")
    objectives = [objective(loss, 600) for loss in losses]
    result = fitted(fit_rows(*objectives))
    raw, ids = columns(10_000, 7)
    raw["a"][:4] = [np.inf, -np.inf, 0.0, -0.0]
    raw["b"][4:8] = np.nan  # training rows have all of them
    ids["c"][8:10] = 40  # no training row has it
    edges = result.arrays["thresholds"][0][:50]
    raw["a"][100:150], raw["a"][150:200] = edges, np.nextafter(edges, np.float32(np.inf))
    values = np.stack([raw["a"], raw["b"], ids["c"]], axis=1).astype(np.float32)
    expected = []
    for loss in losses:
        own = [model for task, model in models if task == loss]
        expected.append(
            sum(
                m.constant + m.booster.predict(values, raw_score=True).reshape(10_000, -1)
                for m in own
            )
            / FOLDS
        )
    margins = served(result, raw, ids)
    assert margins.dtype == np.float32
    np.testing.assert_allclose(margins, np.concatenate(expected, axis=1), rtol=0, atol=1e-6)
    assert margins.std(axis=0).min() > 0.1


@pytest.mark.slow
def test_an_answer_does_not_depend_on_its_batch(
    short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = fitted(fit_rows(objective("logistic", 300), objective("softmax", 300)))
    raw, ids = columns(101, 3)
    together = served(result, raw, ids)
    assert together.shape == (101, 4)
    monkeypatch.setattr("models.experts.trees.CELLS", 2 * result.arrays["masks"].shape[1])
    np.testing.assert_array_equal(served(result, raw, ids), together)
    for row in (0, 100):
        alone = served(
            result,
            {k: v[row : row + 1] for k, v in raw.items()},
            {k: v[row : row + 1] for k, v in ids.items()},
        )
        np.testing.assert_array_equal(alone[0], together[row])


def test_a_rows_label_does_not_reach_its_margin(short: None) -> None:
    rows = fit_rows(objective("logistic", 300), objective("squared", 300))
    labels = rows.objectives[0].labels.copy()
    labels[17] = 1 - labels[17]
    numbers = rows.objectives[1].labels.copy()
    numbers[17] += 10
    changed = (
        replace(rows.objectives[0], labels=labels),
        replace(rows.objectives[1], labels=numbers),
    )
    before, after = fitted(rows), fitted(replace(rows, objectives=changed))
    same_fold = rows.folds == rows.folds[17]
    np.testing.assert_array_equal(before.out_of_fold[same_fold], after.out_of_fold[same_fold])
    assert (before.out_of_fold[~same_fold] != after.out_of_fold[~same_fold]).any(axis=0).all()


@pytest.mark.slow
def test_random_labels_teach_nothing() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    areas = []
    for seed in range(3):
        labels = rng.integers(0, 2, 600).astype(np.float64)
        rows = fit_rows(Objective(task="noise", loss="logistic", labels=labels), seed=seed)
        margins = fitted(rows).out_of_fold[:, 0]
        for fold in range(5):  # a fold with more positives than its share has a lower constant
            inside = rows.folds == fold
            areas.append(roc_auc_score(labels[inside], margins[inside]))
    assert abs(np.mean(areas) - 0.5) < 3 * np.sqrt(1 / (12 * 150 * 3))


def test_labels_that_follow_from_the_columns_are_learnt(short: None) -> None:
    from sklearn.metrics import roc_auc_score

    rows = fit_rows(objective("logistic", 400, noise=0.1))
    result = fitted(rows)
    assert roc_auc_score(rows.objectives[0].labels, result.out_of_fold[:, 0]) > 0.9
    assert result.figures["trees"] == result.arrays["masks"].shape[1] > 0


def test_it_is_deterministic(short: None) -> None:
    rows = fit_rows(objective("logistic", 300))
    one, two = fitted(rows), fitted(rows)
    np.testing.assert_array_equal(one.out_of_fold, two.out_of_fold)
    assert one.arrays.keys() == two.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, two.arrays[name])


def test_a_row_without_label_has_a_margin_and_no_influence(short: None) -> None:
    rows = fit_rows(objective("logistic", 400, noise=0.1))
    labels = rows.objectives[0].labels.copy()
    labels[::4] = np.nan
    result = fitted(replace(rows, objectives=(replace(rows.objectives[0], labels=labels),)))
    unlabelled = result.out_of_fold[::4, 0]
    assert (unlabelled[rows.objectives[0].labels[::4] == 1].mean()) > 0.5 > unlabelled.min()


def test_folds_with_one_class_or_too_few_labels_have_constant_margins(short: None) -> None:
    positive = np.full(100, np.nan)
    positive[:40] = 1.0
    few = np.full(100, np.nan)
    few[:6] = [0, 1, 2, 3, 4, 5]
    missing = np.full(100, np.nan)
    rows = fit_rows(
        Objective(task="positive", loss="logistic", labels=positive),
        Objective(task="few", loss="squared", labels=few),
        Objective(task="missing", loss="poisson", labels=missing),
    )
    result = fitted(rows)
    for fold in range(FOLDS):
        inside = rows.folds == fold
        known = (~np.isnan(positive) & ~inside).sum()
        assert result.out_of_fold[inside, 0] == pytest.approx(np.log((known + 0.5) / 0.5))
        assert result.out_of_fold[inside, 1] == pytest.approx(np.nanmean(few[~inside]))
    assert np.isfinite(result.out_of_fold).all()
    margins = served(result, *columns(5, 1))
    assert margins.shape == (5, 3)
    np.testing.assert_allclose(margins[:, 1], result.out_of_fold[:, 1].mean(), atol=0.2)


def test_a_sample_takes_whole_groups(short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components.experts.trees, "SAMPLE", 100)
    rows = fit_rows(objective("logistic", 400))
    result = fitted(replace(rows, groups=np.arange(400) // 2, folds=np.arange(400) // 2 % FOLDS))
    said = str(result.figures["learnt from"])
    assert said.endswith(" of 400 rows")
    assert 60 < int(said.split()[0]) < 140
    assert int(said.split()[0]) % 2 == 0
