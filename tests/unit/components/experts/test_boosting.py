from __future__ import annotations

import numpy as np
import pytest

from components.experts.boosting import MOST_ROUNDS, Boosting, settings
from components.experts.tree_masks import MOST_LEAVES
from components.labels.base import Objective
from tests.needs_lightgbm import NEEDS_LIGHTGBM
from tests.unit.components.experts.test_trees import fit_rows, objective

pytestmark = NEEDS_LIGHTGBM


def boosting(rows: int = 200, outputs: int = 5) -> Boosting:
    raw, ids = fit_rows(objective("logistic", rows)).raw, np.zeros(rows)
    values = np.stack([raw["a"], raw["b"], ids], axis=1).astype(np.float32)
    return Boosting(values, 2, fit_rows(objective("logistic", rows)), outputs)


@pytest.mark.parametrize("rows", [20, 100, 1_000, 10_000, 1_000_000])
def test_leaves_fit_into_a_mask_and_grow_with_rows(rows: int) -> None:
    assert settings(rows)["num_leaves"] <= MOST_LEAVES
    assert settings(rows)["num_leaves"] <= settings(10 * rows)["num_leaves"]


def test_many_outputs_get_fewer_rounds() -> None:
    assert boosting(outputs=5).most_rounds == MOST_ROUNDS
    assert boosting(outputs=200).most_rounds == 40
    assert boosting(outputs=100_000).most_rounds == 10


def test_wide_tables_get_fewer_bins() -> None:
    rows = fit_rows(objective("logistic", 200))
    assert Boosting(np.zeros((200, 200), np.float32), 200, rows, 5).bins == 40
    assert boosting().bins == 255


def test_features_that_act_together_are_all_in_every_tree() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((300, 4)).astype(np.float32)
    labels = np.prod(np.sign(values[:, :2] - 0.5), axis=1)
    rows = fit_rows(Objective(task="t", loss="squared", labels=labels))
    model = Boosting(values, 4, rows, 5).fit(rows.objectives[0], np.ones(300, bool))
    assert model.booster.params["feature_fraction"] == 1


def test_many_outputs_learn_faster() -> None:
    """26 classes have 61 rounds at most, too few for the usual learning rate."""
    labels = np.arange(200) % 2.0
    for outputs, rate in (5, 0.1), (130, 0.4):
        model = boosting(outputs=outputs).fit(
            Objective(task="t", loss="logistic", labels=labels), np.ones(200, bool)
        )
        assert model.booster.params["learning_rate"] == rate


def test_a_class_without_labels_has_a_finite_margin() -> None:
    labels = (np.arange(200) % 2).astype(np.float64)
    labels[:100] = np.nan
    model = boosting().fit(
        Objective(task="t", loss="softmax", labels=labels, units=3), np.ones(200, bool)
    )
    margins = model.margins(np.zeros((4, 3), np.float32))
    assert margins.shape == (4, 3)
    assert margins[:, 2] == pytest.approx(np.log(0.5 / 101.5))


def test_rows_outside_have_no_influence() -> None:
    rows = objective("squared", 200)
    among = np.arange(200) < 150
    changed = Objective(
        task="t", loss="squared", labels=np.where(among, rows.labels, -1000.0 * rows.labels)
    )
    values = np.zeros((1, 3), np.float32)
    one = boosting().fit(rows, among).margins(values)
    np.testing.assert_array_equal(one, boosting().fit(changed, among).margins(values))


def test_columns_without_information_leave_the_constant() -> None:
    rows = fit_rows(objective("logistic", 200))
    values = np.full((200, 3), np.nan, np.float32)
    values[:, 1:] = 4
    model = Boosting(values, 2, rows, 5).fit(rows.objectives[0], np.ones(200, bool))
    np.testing.assert_allclose(model.margins(values), np.tile(model.constant, (200, 1)), atol=0.05)
    assert not any(tree.splits for tree in model.trees(0, 1.0))


def test_counts_that_are_nearly_all_zero_are_fitted() -> None:
    labels = np.zeros(200)
    labels[3] = 2
    model = boosting().fit(Objective(task="t", loss="poisson", labels=labels), np.ones(200, bool))
    assert np.isfinite(model.margins(np.zeros((2, 3), np.float32))).all()
    assert model.constant == pytest.approx(np.log(0.01))
