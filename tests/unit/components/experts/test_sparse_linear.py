"""Linear models on sparse features, against scikit-learn and what made the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss

from components.experts.sparse_linear import (
    FLOOR,
    Column,
    Scale,
    _calibrated,
    _ridge,
    columns,
    groups,
    solved,
)
from components.labels.base import Loss, Objective

ROWS, WIDTH, FOLDS = 600, 30, 5
RNG = np.random.default_rng(0)
FEATURES = sparse.csr_matrix(
    RNG.normal(size=(ROWS, WIDTH)) * (RNG.random((ROWS, WIDTH)) < 0.3), dtype=np.float32
)
MARGINS = FEATURES @ RNG.normal(size=WIDTH).astype(np.float32) - 0.5
FOLD = np.arange(ROWS) % FOLDS


def out_of_fold(column: Column, features: sparse.csr_matrix = FEATURES) -> np.ndarray:
    found = np.empty(features.shape[0])
    folds = np.arange(features.shape[0]) % FOLDS
    for fold, fit in enumerate(solved([column], features, folds, FOLDS, 0)):
        ((weights, intercept),), own = fit.models, folds == fold
        found[own] = features[own] @ weights + intercept
    return found


def test_margins_of_classes_are_logits() -> None:
    labels = (RNG.random(ROWS) < 1 / (1 + np.exp(-MARGINS))).astype(float)
    found = out_of_fold(Column(scale="logistic", labels=labels))
    best = log_loss(labels, 1 / (1 + np.exp(-MARGINS)))
    assert log_loss(labels, 1 / (1 + np.exp(-found))) < best + 0.05
    assert abs((1 / (1 + np.exp(-found))).mean() - labels.mean()) < 0.03


def test_margins_of_rare_classes_are_logits_with_few_rows() -> None:
    labels = (np.quantile(MARGINS, 0.88) < MARGINS)[:120].astype(float)
    found = out_of_fold(Column(scale="logistic", labels=labels), FEATURES[:120])
    assert abs((1 / (1 + np.exp(-found))).mean() - labels.mean()) < 0.04
    guessed = log_loss(labels, np.full(120, labels.mean()))
    assert log_loss(labels, 1 / (1 + np.exp(-found))) < guessed


def test_ridge_regressions_converge_where_columns_are_alike() -> None:
    x = RNG.normal(size=(200, 3)) @ RNG.normal(size=(3, 400)) + 0.02 * RNG.normal(size=(200, 400))
    y, strength = x[:, 0] + RNG.normal(size=200), 10.0
    weights, intercept = _ridge(sparse.csr_matrix(x), y, strength)
    ones = np.column_stack([x, np.ones(200)])
    exact = np.linalg.solve(ones.T @ ones + 0.5 / strength * np.eye(401), ones.T @ y)

    def objective(w: np.ndarray) -> float:
        return float(w @ w / 2 + strength * ((y - ones @ w) ** 2).sum())

    assert objective(np.append(weights, intercept)) < 1.001 * objective(exact)


def test_margins_of_numbers_are_ridge_regressions() -> None:
    labels = MARGINS + RNG.normal(size=ROWS) * 0.1 + 7
    found = out_of_fold(Column(scale="squared", labels=labels))
    ridge = np.empty(ROWS)
    for fold in range(FOLDS):
        own = fold == FOLD
        ridge[own] = Ridge(alpha=0.05).fit(FEATURES[~own], labels[~own]).predict(FEATURES[own])
    np.testing.assert_allclose(found, ridge, atol=0.1)


def test_margins_of_counts_are_logarithms_of_rates() -> None:
    labels = RNG.poisson(np.exp(0.5 * MARGINS + 1)).astype(float)
    found = out_of_fold(Column(scale="poisson", labels=labels))
    assert abs(np.exp(found).mean() / labels.mean() - 1) < 0.05
    assert np.corrcoef(found, MARGINS)[0, 1] > 0.95


@pytest.mark.parametrize("scale", ["logistic", "squared", "poisson"])
def test_one_value_or_none_has_a_constant_margin(scale: Scale) -> None:
    ones = Column(scale=scale, labels=np.ones(ROWS))
    expected = {"logistic": np.log(480.5 / 0.5), "squared": 1.0, "poisson": 0.0}[scale]
    np.testing.assert_allclose(out_of_fold(ones), expected, atol=1e-5)
    missing = replace(ones, labels=np.full(ROWS, np.nan))
    assert np.isfinite(out_of_fold(missing)).all()


def test_a_class_that_is_in_one_fold_only() -> None:
    labels = np.where(FOLD == 2, (MARGINS > 0).astype(float), 0.0)
    found = out_of_fold(Column(scale="logistic", labels=labels))
    assert np.isfinite(found).all()
    assert (found[FOLD == 2] < -5).all()


def test_a_worthless_expert_still_ranks_with_a_small_scale() -> None:
    margins, labels = np.linspace(-1, 1, 40), np.array([1.0, 0.0] * 20)
    _, scale, offset = _calibrated("logistic", margins, labels)
    assert scale == FLOOR
    assert abs(offset) < 0.01


def test_labels_of_a_fold_do_not_reach_its_model() -> None:
    labels = (MARGINS > 0).astype(float)
    before = out_of_fold(Column(scale="logistic", labels=labels))
    flipped = np.where(FOLD == 3, 1 - labels, labels)
    after = out_of_fold(Column(scale="logistic", labels=flipped))
    np.testing.assert_array_equal(before[FOLD == 3], after[FOLD == 3])
    assert not np.array_equal(before[FOLD == 1], after[FOLD == 1])


@pytest.mark.parametrize(
    ("loss", "scale"),
    [
        ("logistic", "logistic"),
        ("squared", "squared"),
        ("huber", "squared"),
        ("poisson", "poisson"),
    ],
)
def test_a_loss_decides_the_scale(loss: Loss, scale: Scale) -> None:
    (column,) = columns(Objective(task="t", loss=loss, labels=np.array([0.0, 1.0, np.nan])))
    assert column.scale == scale
    np.testing.assert_array_equal(column.labels, [0.0, 1.0, np.nan])


def test_a_softmax_is_one_column_for_each_class() -> None:
    labels = np.array([0.0, 2.0, np.nan])
    found = columns(Objective(task="t", loss="softmax", labels=labels, units=3))
    np.testing.assert_array_equal(
        [c.labels for c in found], [[1, 0, np.nan], [0, 0, np.nan], [0, 1, np.nan]]
    )


def test_outliers_are_limited_for_hubers_loss() -> None:
    (column,) = columns(Objective(task="t", loss="huber", labels=np.array([-9.0, 0.5, 400.0])))
    np.testing.assert_array_equal(column.labels, [-3, 0.5, 3])


LABELS = (RNG.random(ROWS) < 1 / (1 + np.exp(-2 * MARGINS))).astype(float)
DOMAIN = RNG.integers(0, 4, ROWS)


def domains(labels: np.ndarray) -> list[Column]:
    """A column for each domain, with the labels of its rows."""
    parts = [np.where(domain == DOMAIN, labels, np.nan) for domain in range(4)]
    return [Column(scale="logistic", labels=part) for part in parts]


def losses(group: list[Column]) -> tuple[float, int]:
    """Log loss of all labels out of fold, and how many models share weights."""
    margin, shared = np.empty(ROWS), 0
    for fold, fit in enumerate(solved(group, FEATURES, FOLD, FOLDS, 0)):
        shared += fit.shared
        for place, (weights, intercept) in enumerate(fit.models):
            own = (fold == FOLD) & ~np.isnan(group[place].labels)
            margin[own] = FEATURES[own] @ weights + intercept
    labels = np.nanmax([c.labels for c in group], axis=0)
    return float(log_loss(labels, 1 / (1 + np.exp(-margin)))), shared


@pytest.mark.slow
def test_domains_learn_from_each_other() -> None:
    together, shared = losses(domains(LABELS))
    alone = np.mean([losses_alone(c) for c in domains(LABELS)])
    assert shared == 4 * FOLDS
    assert together < alone - 0.05


def losses_alone(column: Column) -> float:
    known = ~np.isnan(column.labels)
    return float(log_loss(column.labels[known], 1 / (1 + np.exp(-out_of_fold(column)[known]))))


@pytest.mark.slow
def test_a_domain_in_which_all_is_otherwise_learns_alone() -> None:
    otherwise = np.where(DOMAIN == 3, 1 - LABELS, LABELS)
    group = domains(otherwise)
    fits = list(solved(group, FEATURES, FOLD, FOLDS, 0))
    alone = list(solved(group[3:], FEATURES, FOLD, FOLDS, 0))
    for fit, own in zip(fits, alone, strict=True):
        np.testing.assert_array_equal(fit.models[3][0], own.models[0][0])
        assert 0 < fit.shared < 4


@pytest.mark.slow
def test_labels_of_a_fold_do_not_reach_the_models_of_any_domain() -> None:
    flipped = np.where(FOLD == 3, 1 - LABELS, LABELS)
    before, after = (list(solved(domains(y), FEATURES, FOLD, FOLDS, 0)) for y in (LABELS, flipped))
    for place in range(4):
        np.testing.assert_array_equal(before[3].models[place][0], after[3].models[place][0])
        assert before[3].models[place][1] == after[3].models[place][1]
        assert not np.array_equal(before[1].models[place][0], after[1].models[place][0])


def test_weights_are_shared_ones_plus_those_of_the_domain() -> None:
    group = domains(LABELS)
    fit = next(iter(solved(group, FEATURES, FOLD, FOLDS, 0)))
    assert fit.shared == 4
    first, second = (weights for weights, _ in fit.models[:2])
    assert first.shape == second.shape == (WIDTH,)
    assert 0.5 < np.corrcoef(first, second)[0, 1] < 0.999


def test_tasks_of_different_rows_are_one_group() -> None:
    first, second = np.array([0.0, 2, np.nan]), np.array([np.nan, np.nan, 1.0])
    both = np.array([1.0, 0.0, np.nan])

    def places(*labels: np.ndarray) -> list[list[int]]:
        objectives = [Objective(task="t", loss="softmax", labels=y, units=3) for y in labels]
        objectives.insert(1, Objective(task="n", loss="squared", labels=both))
        return [[place for place, _ in group] for group in groups(objectives)]

    assert places(first, second) == [[0, 4], [1, 5], [2, 6], [3]]
    assert places(first, both) == [[0], [1], [2], [4], [5], [6], [3]]
