"""Transferability scores, compared with independent computations and with a known order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import optimize, stats

from pipeline.advise import transferability

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 240)
GOOD = np.eye(3)[LABELS] @ RNG.normal(0, 1, (3, 6)) + 0.4 * RNG.normal(0, 1, (240, 6))
POOR = 0.6 * GOOD + RNG.normal(0, 1, (240, 6))
USELESS = RNG.normal(0, 1, (240, 6))


@pytest.mark.parametrize("shape", [(60, 5), (20, 40)])
def test_log_me_is_the_highest_evidence_of_a_bayesian_linear_model(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(0, 1, shape)
    labels = features @ rng.normal(0, 1, shape[1]) + rng.normal(0, 0.7, shape[0])

    def evidence(log_precisions: np.ndarray) -> float:
        alpha, beta = np.exp(log_precisions)
        covariance = np.eye(shape[0]) / beta + features @ features.T / alpha
        return float(-stats.multivariate_normal.logpdf(labels, cov=covariance))

    best = min(
        optimize.minimize(evidence, start, method="Nelder-Mead", options={"maxiter": 4000}).fun
        for start in ([0.0, 0.0], [-1.0, 2.0])
    )
    assert transferability.log_me(features, labels) == pytest.approx(-best / shape[0], abs=1e-4)


def test_log_me_of_classes_is_the_mean_over_one_against_all() -> None:
    each = [transferability.log_me(GOOD, (c == LABELS).astype(float)) for c in range(3)]
    assert transferability.log_me(GOOD, LABELS) == pytest.approx(np.mean(each))


def test_leep_reads_labels_off_a_source_model_row_by_row() -> None:
    source = RNG.dirichlet(np.ones(4), 240)
    joint = np.zeros((3, 4))
    for row, label in zip(source, LABELS, strict=True):
        joint[label] += row / 240
    likelihood = [
        sum(joint[label, z] / joint[:, z].sum() * row[z] for z in range(4))
        for row, label in zip(source, LABELS, strict=True)
    ]
    assert transferability.leep(source, LABELS) == pytest.approx(np.mean(np.log(likelihood)))


def test_leep_is_zero_for_a_source_model_that_knows_the_labels() -> None:
    assert transferability.leep(np.eye(3)[LABELS], LABELS) == pytest.approx(0)


def test_neighbours_vote_without_the_row_itself() -> None:
    features = np.repeat(np.eye(4), 6, axis=0) + 0.001 * RNG.normal(0, 1, (24, 4))
    assert transferability.nearest_neighbours(features, np.repeat(np.arange(4), 6)) == 1
    assert transferability.nearest_neighbours(features, np.tile(np.arange(6), 4)) == 0


@pytest.mark.parametrize(
    "score",
    [
        transferability.log_me,
        transferability.n_leep,
        transferability.h_score,
        transferability.nearest_neighbours,
    ],
)
def test_better_representations_score_higher(
    score: Callable[[np.ndarray, np.ndarray], float],
) -> None:
    good, poor, useless = (score(f, LABELS) for f in (GOOD, POOR, USELESS))
    assert good > poor > useless


def test_the_probe_is_judged_on_rows_it_has_not_seen() -> None:
    probe = transferability.linear_probe
    assert probe(GOOD[:160], LABELS[:160], GOOD[160:], LABELS[160:]) > 0.8
    assert probe(USELESS[:160], LABELS[:160], USELESS[160:], LABELS[160:]) < 0.5
