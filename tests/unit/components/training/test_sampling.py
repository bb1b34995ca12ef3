"""The rows that an epoch reads: how many of each source, in which order."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import RootstockError
from components.training.dataset import training_batches
from components.training.rows import Rows
from components.training.sampling import (
    Fixed,
    Proportional,
    RoundRobin,
    Temperature,
    order_of,
    rows_by_source,
)
from models.lazy import tf

NAN = np.nan
LABELS = {
    "cat": np.array([1, 0, 1, 0, 1, 0, 1, 1, NAN, NAN, NAN, NAN], np.float32),
    "dog": np.array([NAN] * 8 + [1, 0, NAN, 1], np.float32),
}
GROUPS = {"cat": np.arange(8), "dog": np.array([8, 9, 11])}


def test_sources_are_distinguished_by_their_labels() -> None:
    found = rows_by_source({name: ~np.isnan(values) for name, values in LABELS.items()})
    assert {k: list(v) for k, v in found.items()} == {k: list(v) for k, v in GROUPS.items()}
    both = rows_by_source({"a": np.array([True, True, False]), "b": np.array([True, False, True])})
    assert {k: list(v) for k, v in both.items()} == {"a+b": [0], "a": [1], "b": [2]}


@pytest.mark.parametrize(
    ("sampling", "dogs"),
    [
        (Proportional(), 3),
        (Temperature(temperature=1), 3),
        (Temperature(temperature=1e9), 5.5),
        (Fixed(of={"cat": 1, "dog": 9}), 9.9),
    ],
    ids=str,
)
def test_shares(sampling, dogs: float) -> None:  # type: ignore[no-untyped-def]
    drawn = order_of(sampling, GROUPS, 4, seed=1)(0)
    assert len(drawn) == 11
    assert abs(np.isin(drawn, GROUPS["dog"]).sum() - dogs) < 1


def test_temperature_is_the_papers_formula() -> None:
    shares = Temperature(temperature=3).shares({"a": 1000, "b": 8})
    assert shares["a"] / shares["b"] == pytest.approx(5)


def test_a_source_is_read_completely_before_it_repeats() -> None:
    order = order_of(Temperature(temperature=1e9), GROUPS, 4, seed=1)
    read = np.concatenate([order(epoch) for epoch in range(6)])
    for rows in GROUPS.values():
        counts = np.array([np.sum(read == r) for r in rows])
        assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(order(3), order_of(Temperature(temperature=1e9), GROUPS, 4, 1)(3))
    assert list(order(1)) != list(order(2))


def test_round_robin_takes_batches_in_turns() -> None:
    batches = order_of(RoundRobin(), GROUPS, 2, seed=0)(0).reshape(-1, 2)
    for i, batch in enumerate(batches):
        assert np.isin(batch, list(GROUPS.values())[i % 2]).all()


def test_shares_of_unknown_sources_are_refused() -> None:
    with pytest.raises(RootstockError, match=r"sampling\.of.*cat, dog.*Received: cat, horse"):
        order_of(Fixed(of={"cat": 1, "horse": 1}), GROUPS, 2, 0)


@pytest.mark.parametrize("sampling", [Temperature(), RoundRobin()], ids=str)
def test_batches_of_an_epoch_can_be_read_again(sampling) -> None:  # type: ignore[no-untyped-def]
    rows = Rows({"x": np.arange(12, dtype=np.float32)}, LABELS)
    epoch = tf.Variable(2, dtype=tf.int64)
    batches = training_batches(rows, 3, 7, epoch, sampling)
    read = [np.concatenate([x["x"] for x, _ in batches.as_numpy_iterator()]) for _ in range(2)]
    np.testing.assert_array_equal(*read)
    assert 10 not in read[0]
    epoch.assign(3)
    assert list(np.concatenate([x["x"] for x, _ in batches.as_numpy_iterator()])) != list(read[0])


def test_shares_for_some_of_the_tasks() -> None:
    whole = Fixed(of={"cat": 1, "dog": 2, "car+cat": 3})
    assert whole.narrowed(("cat", "dog")).of == {"cat": 4, "dog": 2}
    assert Temperature().narrowed(("cat",)) == Temperature()


def test_a_source_is_never_left_out_or_named_twice() -> None:
    drawn = order_of(Fixed(of={"cat": 1, "dog": 1e-9}), GROUPS, 4, seed=1)(0)
    assert np.isin(drawn, GROUPS["dog"]).sum() == 1
    with pytest.raises(RootstockError, match="twice"):
        order_of(Fixed(of={"a+b": 1, "b+a": 2}), {"a+b": np.arange(3)}, 2, 0)
