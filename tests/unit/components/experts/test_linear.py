import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from pydantic import TypeAdapter
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from components.experts import linear
from components.experts.base import FitRows
from components.experts.linear import LinearKind, _edges
from components.experts.out_of_fold import inner_folds
from components.labels.base import Objective
from models.experts.base import Expert, ExpertInputs
from models.inputs.categorical import CategoricalFeature
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.inputs.raw_text import RawTextFeature

FEATURES = (
    NumericFeature(name="age", column="age", mean=0.0, deviation=1.0),
    NumericFeature(name="bin", column="bin", mean=0.0, deviation=1.0, boundaries=(0.0,)),
    CategoricalFeature(name="city", column="city", vocabulary=tuple("abcdefgh")),
)


def rows_of(count=240, width=0, seed=0, random=False, features=FEATURES):
    """Rows of two numbers, one of them binned, and a category, or of a representation.

    One objective of each loss; labels are missing for some rows.
    """
    rng = np.random.default_rng(seed)
    age, bins = rng.normal(size=count).astype(np.float32), rng.normal(size=count)
    age[::17] = np.nan
    city = rng.choice([0, 1, 2, 3, 4, 5, 9], size=count).astype(np.int32)
    representation = rng.normal(size=(count, width)).astype(np.float32) if width else None
    z = np.abs(np.nan_to_num(age)) + (city % 3) - 1.5 + (bins > 0)
    z = representation[:, :4].sum(axis=1) if representation is not None else z
    z = rng.permutation(z) if random else z
    noisy = z + 0.5 * rng.logistic(size=count)
    labels = {
        "logistic": (noisy > 0).astype(float),
        "softmax": np.digitize(noisy, [-0.5, 0.5]).astype(float),
        "squared": noisy,
        "huber": noisy,
        "poisson": rng.poisson(np.exp(0.5 * z)).astype(float),
    }
    for y in labels.values():
        y[rng.random(count) < 0.1] = np.nan
    objectives = tuple(
        Objective(task=k, loss=k, labels=y, units=3 if k == "softmax" else 1)
        for k, y in labels.items()
    )
    groups = np.arange(count)
    return FitRows(
        features=() if width else features,
        raw={"age": age, "bin": bins.astype(np.float32), "city": city.astype(str).astype(object)},
        preprocessed={
            "age": age,  # NaN, as where a trunk learns what missing means
            "bin": (2 + (bins > 0)).astype(np.int32),
            "city": city,
        },
        representation=representation,
        objectives=objectives,
        folds=inner_folds(groups, 5, seed),
        groups=groups,
        seed=seed,
    )


def fitted(rows):
    (one,) = LinearKind().fit(rows, lambda _: None)
    return one


def graph(one, rows):
    """Margins of a TensorFlow graph of the expert as it comes from the record of a model."""
    adapter = TypeAdapter(Expert)
    expert = adapter.validate_python(json.loads(adapter.dump_json(one.expert)))
    numbers = {k: v for k, v in rows.raw.items() if v.dtype == np.float32}

    @tf.function(autograph=False)
    def margins(raw, features, representation, blocks):
        arrays = {k: tf.constant(v) for k, v in one.arrays.items()}
        return expert.margins(arrays, ExpertInputs(raw, features, representation, blocks))

    return margins(numbers, dict(rows.preprocessed), rows.representation, rows.blocks).numpy()


def test_it_reads_columns_and_representations():
    image = ImageFeature(name="i", column="i", height=2, width=2, channels=3)
    text = RawTextFeature(name="t", column="t")
    assert not LinearKind().reads([image, text], False)
    assert LinearKind().reads([image, text], True)
    assert all(LinearKind().reads([image, f], False) for f in FEATURES)


def test_experts_on_both_are_two():
    wide = replace(rows_of(width=5), features=FEATURES)
    experts = [f.expert for f in LinearKind().fit(wide, lambda _: None)]
    assert [e.name for e in experts] == ["linear.representation", "linear.columns"]
    assert [e.reads_representation for e in experts] == [True, False]


def test_blocks_replace_the_representation():
    rows = rows_of(width=8)
    narrow = fitted(replace(rows, representation=rows.representation[:, 3:], blocks=None))
    wide = fitted(
        replace(rows, representation=rows.representation[:, 3:], blocks=rows.representation)
    )
    assert narrow.expert.reads_representation and not narrow.expert.reads_blocks
    assert wide.expert.reads_blocks and not wide.expert.reads_representation
    assert wide.expert.name == "linear.blocks"
    np.testing.assert_allclose(wide.arrays["kernel"], fitted(rows).arrays["kernel"])
    given = replace(rows, representation=None, blocks=rows.representation)
    assert np.abs(graph(wide, given) - graph(fitted(rows), rows)).max() < 1e-6


@pytest.mark.parametrize("width", [0, 10])
def test_margins_of_all_losses_are_finite_and_the_graphs_agree_with_those_out_of_fold(width):
    rows = rows_of(width=width)
    one = fitted(rows)
    margins = graph(one, rows)
    assert margins.dtype == np.float32
    assert one.out_of_fold.shape == margins.shape == (240, rows.units)
    assert np.isfinite(one.out_of_fold).all()
    for unit in range(rows.units):
        assert np.corrcoef(margins[:, unit], one.out_of_fold[:, unit])[0, 1] > 0.4


@pytest.mark.parametrize("width", [0, 20])
def test_margins_equal_scikit_learns_with_the_same_strength(width, monkeypatch):
    rows = rows_of(width=width)
    rows = replace(rows, objectives=rows.objectives[:1])
    monkeypatch.setattr(linear, "PENALTIES", (0.1,))
    terms = linear._Terms.of_representation(rows.representation) if width else None
    if terms is None:
        names = {"numbers": ("age",), "missing": ("age",), "categories": ("bin", "city")}
        terms = linear._Terms.of_columns(linear.Linear(name="linear.columns", **names), rows)
    x, y = terms.of_rows(np.arange(240)), rows.objectives[0].labels
    penalty = 0.1 * x.var(axis=0).sum()
    known, whole, one = ~np.isnan(y), [], fitted(rows)
    for fold in range(5):
        train = known & (rows.folds != fold)
        model = LogisticRegression(C=1 / penalty, tol=1e-10, solver="newton-cholesky").fit(
            x[train], y[train]
        )
        margins = model.decision_function(x)
        here = rows.folds == fold
        np.testing.assert_allclose(one.out_of_fold[here, 0], margins[here], atol=1e-5)
        whole.append(margins)
    np.testing.assert_allclose(graph(one, rows)[:, 0], np.mean(whole, axis=0), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("width", [0, 30])
@pytest.mark.parametrize("folds", [5, 2])
def test_its_own_label_does_not_reach_a_rows_margin(width, folds):
    rows = rows_of(count=120, width=width)
    rows = replace(rows, folds=rows.folds % folds)
    before = fitted(rows).out_of_fold
    for row in (3, 77):
        flipped = []
        for o in rows.objectives:
            labels = o.labels.copy()
            labels[row] = {0: 1, 1: 0, 2: 0}[labels[row]] if o.units > 1 else 1 - labels[row]
            labels[row] = abs(labels[row]) if o.loss == "poisson" else labels[row]
            flipped.append(replace(o, labels=np.where(np.isnan(labels), o.labels, labels)))
        after = fitted(replace(rows, objectives=tuple(flipped))).out_of_fold
        np.testing.assert_array_equal(after[row], before[row])
        assert (after != before).any()


@pytest.mark.slow
@pytest.mark.parametrize("width", [0, 384])
def test_random_labels_give_margins_that_know_nothing(width):
    scores, spread = [], []
    for seed in range(4):
        rows = rows_of(count=200 if not width else 64, width=width, seed=seed, random=True)
        rows = replace(rows, objectives=rows.objectives[:1])
        y, margins = rows.objectives[0].labels, fitted(rows).out_of_fold[:, 0]
        known = ~np.isnan(y)
        for fold in range(5):  # across folds the constants differ against the labels
            here = known & (rows.folds == fold)
            if 0 < y[here].sum() < here.sum():
                scores.append(roc_auc_score(y[here], margins[here]))
        spread.append(margins.std())
    assert abs(np.mean(scores) - 0.5) < 0.12
    assert np.median(spread) < 0.5


def test_few_rows_of_a_wide_representation_are_better_than_nothing():
    rows = rows_of(count=64, width=384)
    rows.representation[:, 4:] *= 0.3
    rows = replace(rows, objectives=rows.objectives[2:3])
    y, margins = rows.objectives[0].labels, fitted(rows).out_of_fold[:, 0]
    known = ~np.isnan(y)
    assert np.mean((y - margins)[known] ** 2) < 1.05 * y[known].var()


def test_a_curve_is_learnt_from_numbers():
    rows = rows_of(count=400)
    age = rows.preprocessed["age"]
    labels = np.where(np.isnan(age), 2.0, np.abs(age)) - 1
    rows = replace(rows, objectives=(Objective(task="t", loss="squared", labels=labels),))
    assert np.corrcoef(fitted(rows).out_of_fold[:, 0], labels)[0, 1] > 0.98


def test_effects_are_straighter_where_that_is_better(monkeypatch):
    rng = np.random.default_rng(0)
    rows = rows_of(200)
    names = [f"x{i}" for i in range(20)]
    x = {n: rng.normal(size=200).astype(np.float32) for n in names}
    labels = sum(x.values()) / 4 + rng.normal(size=200)
    rows = replace(
        rows,
        features=tuple(NumericFeature(name=n, column=n, mean=0.0, deviation=1.0) for n in names),
        raw=x,
        preprocessed=x,
        objectives=(Objective(task="sum", loss="squared", labels=labels),),
    )
    chosen = fitted(rows).out_of_fold[:, 0]
    monkeypatch.setattr(linear, "BENDS", (1.0,))
    bent = fitted(rows).out_of_fold[:, 0]
    assert np.mean((chosen - labels) ** 2) < 0.99 * np.mean((bent - labels) ** 2)


def test_fitting_again_gives_the_same():
    one, two = fitted(rows_of()), fitted(rows_of())
    assert one.figures == two.figures
    np.testing.assert_array_equal(one.out_of_fold, two.out_of_fold)
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, two.arrays[name])


def test_labels_of_one_class_and_no_labels_give_constants():
    rows = rows_of()
    same, none = np.zeros(240), np.full(240, np.nan)
    objectives = [Objective(task="same", loss="logistic", labels=same)] + [
        replace(o, labels=none) for o in rows.objectives
    ]
    one = fitted(replace(rows, objectives=tuple(objectives)))
    assert np.ptp(one.out_of_fold[:, 0]) < 0.01
    assert one.out_of_fold[0, 0] < -4
    assert np.isfinite(one.out_of_fold).all()
    assert not one.out_of_fold[:, 1:5].any()


def test_constant_columns_and_columns_all_missing_do_no_harm():
    rows = rows_of(features=FEATURES[:1])
    empty = np.full(240, np.nan, np.float32)
    rows = replace(rows, raw={"age": empty}, preprocessed={"age": np.zeros(240, np.float32)})
    one = fitted(rows)
    assert np.isfinite(one.out_of_fold).all()
    np.testing.assert_allclose(np.ptp(graph(one, rows), axis=0), 0, atol=1e-6)


def test_ids_that_training_rows_lack_are_as_rare_ones():
    rows = rows_of(features=FEATURES[2:])
    rows.preprocessed["city"][:3] = [6, 7, 8]  # one row each
    one = fitted(rows)
    served = replace(rows, preprocessed={"city": np.array([1, 6, 8, 10, 2], np.int32)})
    margins = graph(one, served)
    np.testing.assert_array_equal(margins[:4], np.repeat(margins[:1], 4, axis=0))
    assert (margins[4] != margins[0]).all()


def test_many_categories_share_a_column(monkeypatch):
    monkeypatch.setattr(linear, "ONE_HOT", 3)
    one = fitted(rows_of(features=FEATURES[2:]))
    assert one.figures["columns"] == 4


def test_many_rows_are_sampled_by_group_and_said(monkeypatch):
    rows = rows_of(count=400, width=4)
    rows = replace(rows, groups=np.arange(400) // 4)
    monkeypatch.setattr(linear, "NUMBERS", 200 * (4 + 30))
    chosen = linear._sample(rows, 200)
    assert len(chosen) == 200
    assert (np.bincount(rows.groups[chosen])[np.unique(rows.groups[chosen])] == 4).all()
    one = fitted(rows)
    assert one.figures["learnt from rows"] == "200 of 400, drawn by group"
    assert len(one.out_of_fold) == 400
    assert "learnt from rows" not in fitted(rows_of(count=100, width=4)).figures


def test_many_classes_learn_curves_from_fewer_rows(monkeypatch):
    rows = rows_of(count=400)
    columns = fitted(rows).figures["columns"]
    monkeypatch.setattr(linear, "WORK", 200 * columns * 3)
    assert fitted(rows).figures["learnt from rows"] == "200 of 400, drawn by group"
    rows = replace(rows, objectives=rows.objectives[:1])
    assert "learnt from rows" not in fitted(rows).figures


def test_edges_of_pieces():
    assert _edges(np.array([1.0, 1, 1]), 8).tolist() == [1]
    assert _edges(np.array([1.0, 2, 1]), 8).tolist() == [1]
    assert _edges(np.array([1.0, 2, 3, 3]), 8).tolist() == [1, 2, 3]
    skewed = np.concatenate([np.zeros(900), np.arange(1.0, 101)])
    edges = _edges(skewed, 4)
    assert edges[0] == 0
    assert len(edges) == 6
    assert _edges(np.arange(1000.0), 0).tolist() == [0]
