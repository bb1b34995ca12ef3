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
from components.experts.ngrams import NgramsKind, character_table
from components.labels.base import Objective
from models.experts.base import ExpertInputs
from models.experts.ngrams import ALONE, CODE_BITS, IN_WORD, SEPARATOR
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


def fit(rows: FitRows) -> list[Fitted]:
    return list(NgramsKind().fit(rows, lambda _: None))


@cache
def learnt() -> list[Fitted]:
    return fit(rows_of(LABELS))


def margins(fitted: Fitted, texts: Sequence[str]) -> np.ndarray:
    arrays = {name: tf.constant(a) for name, a in fitted.arrays.items()}
    inputs = ExpertInputs(raw={"message": tf.constant(list(texts))}, features={})
    return np.asarray(fitted.expert.margins(arrays, inputs).numpy())


def test_learns_from_words_and_from_characters() -> None:
    fitted = learnt()
    assert [f.expert.name for f in fitted] == [
        "ngrams.message.words", "ngrams.message.characters"
    ]  # fmt: skip
    for one in fitted:
        assert one.out_of_fold.shape == (ROWS, 1)
        assert one.out_of_fold.dtype == np.float32
        assert roc_auc_score(LABELS, one.out_of_fold[:, 0]) > 0.99
        assert ((one.out_of_fold[:, 0] > 0) == LABELS).mean() > 0.95
        found = margins(one, ["alpha then something new", "beta gamma"])[:, 0]
        assert found[0] > 1 > -1 > found[1]


@pytest.mark.slow
def test_the_graph_is_the_average_of_the_folds() -> None:
    """Texts without labels, put into each fold in turn, show what its model says of them."""
    rows = rows_of(LABELS)
    unseen = TEXTS[:10]
    averaged = []
    for fold in range(5):
        texts = np.concatenate([TEXTS, unseen])
        labels = np.concatenate([LABELS, np.full(10, np.nan)])
        folds = np.concatenate([rows.folds, np.full(10, fold)])
        both = fit(rows_of(labels, texts, folds=folds))
        averaged.append([f.out_of_fold[ROWS:, 0] for f in both])
    found = [margins(f, list(unseen))[:, 0] for f in learnt()]
    np.testing.assert_allclose(found, np.mean(averaged, axis=0), atol=1e-5)


def test_a_label_does_not_reach_its_own_margin() -> None:
    before = learnt()
    flipped = LABELS.copy()
    flipped[17] = 1 - flipped[17]
    for one, other in zip(before, fit(rows_of(flipped)), strict=True):
        assert one.out_of_fold[17] == other.out_of_fold[17]
        assert not np.array_equal(one.out_of_fold, other.out_of_fold)


@pytest.mark.slow
def test_random_labels_teach_nothing() -> None:
    areas = []
    for seed in range(4):
        labels = np.random.default_rng(seed).integers(0, 2, ROWS).astype(float)
        areas += [roc_auc_score(labels, f.out_of_fold[:, 0]) for f in fit(rows_of(labels))]
    assert abs(np.mean(areas) - 0.5) < 0.08


def test_twice_the_same() -> None:
    for one, other in zip(learnt(), fit(rows_of(LABELS)), strict=True):
        np.testing.assert_array_equal(one.out_of_fold, other.out_of_fold)
        for name, array in one.arrays.items():
            np.testing.assert_array_equal(array, other.arrays[name])


def test_bytes_and_text_and_missing_text() -> None:
    texts = TEXTS.copy()
    texts[:3] = ["", "caf\u00e9 \U0001f389", "\ud800"]
    encoded = np.array([t.encode("utf-8", "replace") for t in texts], dtype=object)
    for one, other in zip(fit(rows_of(LABELS, texts)), fit(rows_of(LABELS, encoded)), strict=True):
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
    words, _ = fit(rows_of(LABELS, objectives=objectives))
    assert words.out_of_fold.shape == (ROWS, 6)
    assert words.arrays["table"].shape[1] == 7
    found = words.out_of_fold
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
    for one in NgramsKind().fit(rows, said.append):
        assert one.figures["rows"] == "70 of 120"
        assert np.isfinite(one.out_of_fold).all()
        assert roc_auc_score(LABELS, one.out_of_fold[:, 0]) > 0.95
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
