"""Fitting n-grams: the graph gives what the fit says, and no label reaches its own margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from components.experts import ngrams
from components.experts.base import FitRows, Fitted
from components.experts.ngrams import FEWEST, ROOM, NgramsKind, character_table
from components.labels.base import Objective
from models.experts.base import ExpertInputs
from models.experts.ngrams import ALONE, ANALYZERS, CODE_BITS, IN_WORD, SEPARATOR, Ngrams
from models.inputs.numeric import NumericFeature
from models.inputs.raw_text import RawTextFeature

ROWS = 120
WORDS = np.array(["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"])
RNG = np.random.default_rng(0)
TEXTS = np.array([" ".join(RNG.choice(WORDS, 5)) for _ in range(ROWS)], dtype=object)
LABELS = np.array([float("alpha" in t) for t in TEXTS])
FEATURE = RawTextFeature(name="message", column="m")


def rows_of(labels: np.ndarray, texts: np.ndarray = TEXTS, **changes: object) -> FitRows:
    rows = FitRows(
        features=(FEATURE,),
        raw={"message": texts},
        preprocessed={},
        representation=None,
        objectives=(Objective(task="spam", loss="logistic", labels=labels),),
        folds=np.arange(len(texts)) % 5,
        groups=np.arange(len(texts)),
        seed=0,
    )
    return replace(rows, **changes)  # type: ignore[arg-type]


def fit(rows: FitRows) -> Fitted:
    (fitted,) = NgramsKind().fit(rows, lambda _: None)
    return fitted


@cache
def learnt() -> Fitted:
    return fit(rows_of(LABELS))


def margins(fitted: Fitted, texts: Sequence[str]) -> np.ndarray:
    arrays = {name: tf.constant(a) for name, a in fitted.arrays.items()}
    inputs = ExpertInputs(raw={"message": tf.constant(list(texts))}, features={})
    return np.asarray(fitted.expert.margins(arrays, inputs).numpy())


def test_learns_from_words_and_from_characters() -> None:
    fitted = learnt()
    assert fitted.expert.members == ("ngrams.message.words", "ngrams.message.characters")
    assert fitted.out_of_fold.shape == (ROWS, 2)
    assert fitted.out_of_fold.dtype == np.float32
    found = margins(fitted, ["alpha then something new", "beta gamma"])
    for member in range(2):
        assert roc_auc_score(LABELS, fitted.out_of_fold[:, member]) > 0.99
        assert ((fitted.out_of_fold[:, member] > 0) == LABELS).mean() > 0.95
        assert found[0, member] > 1 > -1 > found[1, member]


@pytest.mark.slow
def test_the_graph_is_the_average_of_the_folds() -> None:
    """Texts without labels, put into each fold in turn, show what its models say of them."""
    rows = rows_of(LABELS)
    unseen = TEXTS[:10]
    averaged = []
    for fold in range(5):
        texts = np.concatenate([TEXTS, unseen])
        labels = np.concatenate([LABELS, np.full(10, np.nan)])
        folds = np.concatenate([rows.folds, np.full(10, fold)])
        averaged.append(fit(rows_of(labels, texts, folds=folds)).out_of_fold[ROWS:])
    found = margins(learnt(), list(unseen))
    np.testing.assert_allclose(found, np.mean(averaged, axis=0), atol=1e-5)


def test_few_ngrams_have_a_small_table() -> None:
    fitted = learnt()
    assert isinstance(fitted.expert, Ngrams)
    buckets = (fitted.expert.words, fitted.expert.characters)
    for member, room, count in zip(ANALYZERS, ROOM, buckets, strict=True):
        kept = fitted.figures[f"{member} ngrams"]
        assert isinstance(kept, int)
        assert count == fitted.figures[f"{member} buckets"]
        assert max(room * kept, FEWEST) <= count < max(2 * room * kept, FEWEST + 1)
        assert "%" in str(fitted.figures[f"{member} ngrams that share a bucket"])
    assert fitted.arrays["table"].nbytes < 100_000


@pytest.mark.parametrize(
    ("wanted", "units", "buckets"),
    [
        (0, 1, 2**10),
        (2**16, 1, 2**16),
        (2**16 + 1, 1, 2**17),
        (2**30, 1, 2**20),
        (2**30, 16, 2**20),
        (2**30, 17, 2**19),
        (2**30, 100, 2**18),
    ],
)
def test_buckets_are_a_power_of_two_within_limits(wanted: int, units: int, buckets: int) -> None:
    assert ngrams._buckets(wanted, units) == buckets


def test_a_label_does_not_reach_its_own_margin() -> None:
    before = learnt().out_of_fold
    flipped = LABELS.copy()
    flipped[17] = 1 - flipped[17]
    after = fit(rows_of(flipped)).out_of_fold
    np.testing.assert_array_equal(before[17], after[17])
    assert (before != after).any(axis=0).all()


@pytest.mark.slow
def test_random_labels_teach_nothing() -> None:
    areas = []
    for seed in range(4):
        labels = np.random.default_rng(seed).integers(0, 2, ROWS).astype(float)
        found = fit(rows_of(labels)).out_of_fold
        areas += [roc_auc_score(labels, found[:, member]) for member in range(2)]
    assert abs(np.mean(areas) - 0.5) < 0.08


def test_twice_the_same() -> None:
    one, other = learnt(), fit(rows_of(LABELS))
    np.testing.assert_array_equal(one.out_of_fold, other.out_of_fold)
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name])


def test_bytes_and_text_and_missing_text() -> None:
    texts = TEXTS.copy()
    texts[:3] = ["", "caf\u00e9 \U0001f389", "\ud800"]
    encoded = np.array([t.encode("utf-8", "replace") for t in texts], dtype=object)
    one, other = fit(rows_of(LABELS, texts)), fit(rows_of(LABELS, encoded))
    assert np.isfinite(one.out_of_fold).all()
    np.testing.assert_array_equal(one.out_of_fold, other.out_of_fold)


@pytest.mark.slow
def test_all_kinds_of_tasks_with_labels_for_some_rows() -> None:
    """Units come in the order of the tasks, and a missing label has a margin all the same."""
    third = np.where(np.arange(ROWS) % 3 == 0, np.nan, 0.0)
    counts = np.array([float(t.count("beta")) for t in TEXTS]) + third
    classes = np.array([2.0 if "alpha" in t else float("beta" in t) for t in TEXTS])
    objectives = (
        Objective(task="count", loss="poisson", labels=counts),
        Objective(task="class", loss="softmax", labels=classes, units=3),
        Objective(task="number", loss="squared", labels=(LABELS - 0.5) * 2 + third),
        Objective(task="robust", loss="huber", labels=(LABELS - 0.5) * 2),
    )
    fitted = fit(rows_of(LABELS, objectives=objectives))
    assert fitted.out_of_fold.shape == (ROWS, 12)
    assert fitted.arrays["table"].shape[1] == 7
    found = fitted.out_of_fold[:, :6]  # of words
    known = ~np.isnan(counts)
    assert np.corrcoef(found[known, 0], counts[known])[0, 1] > 0.8
    assert abs(np.exp(found[known, 0]).mean() / counts[known].mean() - 1) < 0.3
    assert (found[:, 1:4].argmax(axis=1) == classes).mean() > 0.9
    assert ((found[:, 4] > 0) == LABELS).mean() > 0.95
    assert ((found[:, 5] > 0) == LABELS).mean() > 0.95
    assert np.isfinite(found).all()


def test_learns_from_a_sample_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "ROWS", 70)
    said: list[str] = []
    groups = np.arange(ROWS) // 2
    rows = rows_of(LABELS, groups=groups, folds=groups % 5)
    (fitted,) = NgramsKind().fit(rows, said.append)
    assert fitted.figures["rows"] == "70 of 120"
    assert np.isfinite(fitted.out_of_fold).all()
    assert min(roc_auc_score(LABELS, m) for m in fitted.out_of_fold.T) > 0.95
    assert any("learning from 70 of 120 rows" in s for s in said)


def test_reads_texts_only() -> None:
    number = NumericFeature(name="age", column="age", mean=0.0, deviation=1.0)
    assert NgramsKind().reads([number, FEATURE], False)
    assert not NgramsKind().reads([number], True)


@pytest.mark.parametrize(
    ("character", "does", "lower"),
    [
        ("A", IN_WORD, "a"),
        ("7", IN_WORD, "7"),
        ("_", IN_WORD, "_"),
        ("Ё", IN_WORD, "ё"),
        ("\u0308", IN_WORD, "\u0308"),
        ("한", IN_WORD, "한"),
        ("漢", ALONE, "漢"),
        ("か", ALONE, "か"),
        ("!", ALONE, "!"),
        ("🎉", ALONE, "🎉"),
        ("\ufffd", ALONE, "\ufffd"),
        ("\n", SEPARATOR, " "),
        ("\u00a0", SEPARATOR, " "),
        ("\0", SEPARATOR, " "),
    ],
)
def test_what_a_character_does(character: str, does: int, lower: str) -> None:
    assert character_table()[ord(character)] == does << CODE_BITS | ord(lower)
