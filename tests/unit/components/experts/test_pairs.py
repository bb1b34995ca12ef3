"""Fitting pairs: what no expert on a single text can see, and the graph says the same."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from components.experts import pairs
from components.experts.base import FitRows, Fitted
from components.experts.pairs import PairsKind
from components.labels.base import Objective
from models.experts.base import ExpertInputs
from models.inputs.numeric import NumericFeature
from models.inputs.raw_text import RawTextFeature

ROWS = 150
WORDS = np.array(["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"])
RNG = np.random.default_rng(0)
FIRST = np.array([" ".join(RNG.choice(WORDS, 4, replace=False)) for _ in range(ROWS)], object)
LABELS = RNG.integers(0, 2, ROWS).astype(float)
"""Whether the second text has the words of the first, in another order."""
SECOND = np.array(
    [
        " ".join(RNG.permutation(t.split()) if same else RNG.choice(WORDS, 4, replace=False))
        for t, same in zip(FIRST, LABELS, strict=True)
    ],
    object,
)
TEXTS = tuple(RawTextFeature(name=name, column=name) for name in ("left", "right"))
FOLDS = np.arange(ROWS) % 5
NUMBER = NumericFeature(name="n", column="n", mean=0.0, deviation=1.0)


def fit(labels: np.ndarray, second: np.ndarray = SECOND, folds: np.ndarray = FOLDS) -> Fitted:
    rows = FitRows(
        features=(*TEXTS, NUMBER),
        raw={"left": FIRST, "right": second},
        preprocessed={},
        representation=None,
        objectives=(Objective(task="same", loss="logistic", labels=labels),),
        folds=folds,
        groups=np.arange(ROWS),
        seed=0,
    )
    (fitted,) = PairsKind().fit(rows, lambda _: None)
    return fitted


@cache
def learnt() -> Fitted:
    return fit(LABELS)


def margins(fitted: Fitted, first: list[str], second: list[str]) -> np.ndarray:
    arrays = {name: tf.constant(a) for name, a in fitted.arrays.items()}
    raw = {"left": tf.constant(first), "right": tf.constant(second)}
    return np.asarray(fitted.expert.margins(arrays, ExpertInputs(raw=raw, features={})))


def test_reads_two_or_three_texts() -> None:
    third = tuple(replace(TEXTS[0], name=name) for name in ("third", "fourth"))
    kind = PairsKind()
    assert kind.reads((*TEXTS, NUMBER), False)
    assert kind.reads((*TEXTS, third[0]), False)
    assert not kind.reads((*TEXTS, *third), False)
    assert not kind.reads((TEXTS[0], NUMBER), False)


@pytest.mark.slow
def test_learns_whether_texts_have_the_same_words() -> None:
    one = learnt()
    assert one.expert.members == ("pairs.left.right.words", "pairs.left.right.characters")
    assert one.out_of_fold.shape == (ROWS, 2)
    assert one.out_of_fold.dtype == np.float32
    found = margins(
        one,
        ["alpha beta gamma delta"] * 2 + ["kappa iota mu nu"] * 2,
        ["delta gamma beta alpha", "alpha zeta eta theta", "nu mu iota kappa", "xi rho pi tau"],
    )
    for member in range(2):
        assert roc_auc_score(LABELS, one.out_of_fold[:, member]) > 0.98
        assert found[0, member] > 1 > -1 > found[1, member]
        assert found[2, member] > found[3, member] + 1  # words that training has not seen


@pytest.mark.slow
def test_a_label_does_not_reach_its_own_margin() -> None:
    flipped = LABELS.copy()
    flipped[17] = 1 - flipped[17]
    before, after = learnt().out_of_fold, fit(flipped).out_of_fold
    np.testing.assert_array_equal(before[17], after[17])
    assert not np.array_equal(before, after)


@pytest.mark.slow
def test_the_graph_is_the_average_of_the_folds() -> None:
    """Rows without labels, put into each fold in turn, show what its model says of them."""
    averaged = []
    for fold in range(5):
        labels, folds = LABELS.copy(), FOLDS.copy()
        labels[:10], folds[:10] = np.nan, fold
        averaged.append(fit(labels, folds=folds).out_of_fold[:10])
    labels = LABELS.copy()
    labels[:10] = np.nan
    found = margins(fit(labels), FIRST[:10].tolist(), SECOND[:10].tolist())
    np.testing.assert_allclose(found, np.mean(averaged, axis=0), atol=1e-4)


@pytest.mark.slow
def test_rows_outside_the_sample_have_margins_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "BYTES", 5000)
    one = fit(LABELS, np.where(np.arange(ROWS) == 3, "", SECOND))
    assert np.isfinite(one.out_of_fold).all()
    assert roc_auc_score(LABELS, one.out_of_fold[:, 0]) > 0.9
    sampled, total = str(one.figures["rows"]).split(" of ")
    assert 50 < int(sampled) < int(total) == ROWS
