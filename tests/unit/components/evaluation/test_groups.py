import numpy as np
import pyarrow as pa
import pytest

from components.evaluation.groups import Groups

IDS = ["b", "a", "b", None, "c", "a", None]


def test_rows_with_equal_keys_are_a_group():
    table = pa.table({"patient": pa.chunked_array([IDS[:3], IDS[3:]]), "visit": range(7)})
    groups = Groups.by_key(table, ["patient"])
    assert groups.codes.tolist() == [0, 1, 0, 2, 3, 1, 2]
    assert (groups.count, groups.single) == (4, False)
    pairs = Groups.by_key(table, ["patient", "visit"])
    assert pairs.single
    assert pairs.codes.tolist() == Groups.by_key(table, []).codes.tolist() == list(range(7))
    assert Groups.by(IDS).codes.tolist() == groups.codes.tolist()


def test_equal_numbers_are_one_group_whatever_their_type():
    table = pa.table({"id": pa.array([1.0, 2.0, 1.0])})
    whole = pa.table({"id": pa.array([1, 2, 1])})
    assert Groups.by_key(table, ["id"]).codes.tolist() == [0, 1, 0]
    assert Groups.by_key(whole, ["id"]).codes.tolist() == [0, 1, 0]


def test_some_of_the_rows_keep_their_groups_in_order():
    groups = Groups.by(["x", "y", "z", "y", "x"])
    some = groups.on(np.array([False, False, True, True, True]))
    assert (some.codes.tolist(), some.count) == ([0, 1, 2], 3)
    assert groups.on(np.array([True, True, False, True, False])).codes.tolist() == [0, 1, 1]
    assert groups.holding(np.array([True, False, False, False, True])) == 1
    assert groups.on(np.zeros(5, bool)).count == 0
    assert groups.holding(np.zeros(5, bool)) == 0
    alone = Groups.of_rows(5).on(np.array([False, True, True, False, True]))
    assert (alone.codes.tolist(), alone.count) == ([0, 1, 2], 3)


def test_the_design_effect_is_of_the_jackknife_over_groups():
    rng = np.random.default_rng(0)
    groups = Groups.by(rng.integers(0, 12, 200).tolist())
    values = rng.normal(size=200) + rng.normal(size=12)[groups.codes]
    without = [values[groups.codes != g].mean() for g in range(12)]
    jackknife = 11 / 12 * ((without - values.mean()) ** 2).sum() * 200**2
    deviations, ones = values - values.mean(), np.ones(200)
    assert (groups.spread_of(deviations, ones) ** 2).sum() == pytest.approx(jackknife)
    naive = (deviations**2).sum()
    assert groups.inflation(deviations, ones) == pytest.approx(jackknife / naive)
    assert Groups.of_rows(200).inflation(deviations, ones) == pytest.approx(1)


def test_the_design_effect_is_at_most_that_of_equal_rows_in_a_group():
    groups = Groups.by(np.repeat(np.arange(4), 25).tolist())
    equal = np.repeat([1.0, -1.0, 2.0, -2.0], 25)
    assert groups.inflation(equal, np.ones(100)) == 25
    assert groups.inflation(np.zeros(100), np.ones(100)) == 25  # nothing is known


def test_effective_groups_are_fewer_if_one_has_nearly_all_rows():
    groups = Groups.by(["a"] * 97 + ["b", "c", "d"])
    assert groups.effective(np.ones(100)) == pytest.approx(100**2 / (97**2 + 3))
    assert Groups.of_rows(7).effective(np.ones(7)) == pytest.approx(7)
    assert groups.effective(np.zeros(100)) == 0


def test_totals_and_draws_are_by_group():
    groups = Groups.by(["x", "y", "x"])
    assert groups.totals(np.array([1.0, 2.0, 4.0])).tolist() == [5, 2]
    draws = np.array([[3.0, 1.0], [0.0, 2.0]])
    assert groups.spread(draws).tolist() == [[3, 1, 3], [0, 2, 0]]
    rows = Groups.of_rows(2)
    assert rows.spread(draws) is draws
