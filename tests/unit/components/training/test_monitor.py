"""The best epoch, patience, and the figures that early stopping can monitor."""

from __future__ import annotations

import math

import pytest

from components.errors import RootstockError
from components.training.monitor import Monitor, choose_monitor
from components.training.settings import EarlyStopping
from models.tasks.base import TaskTarget
from models.tasks.heads.head import head_for
from models.tasks.regression import RegressionTask

HEAD = head_for(TaskTarget(task=RegressionTask(name="age", label="age")))


def test_the_best_epoch_is_the_first_of_equals_and_never_nan() -> None:
    def epochs(*values: float) -> list[dict[str, float]]:
        return [{"m": v} for v in values]

    least, most = Monitor("m", False, patience=2), Monitor("m", True)
    assert least.best_epoch(epochs(math.nan, 2, 1, 1, 3)) == 2
    assert most.best_epoch(epochs(math.nan, 2, 3, 1, 3)) == 2
    assert not least.stops(epochs(3, 1, 2))
    assert least.stops(epochs(3, 1, 2, 1))
    assert not most.stops(epochs(3, 1, 2, 1))


def test_patience_does_not_count_epochs_before_the_first_one_that_counts() -> None:
    history = [{"m": v} for v in (1.0, 2.0, 3.0, 4.0)]
    assert Monitor("m", False, patience=2).stops(history)
    assert not Monitor("m", False, patience=2, first_epoch=2).stops(history)


def test_patience_ignores_changes_below_min_delta_but_the_best_epoch_does_not() -> None:
    monitor = Monitor("m", False, patience=2, min_delta=0.1)
    history = [{"m": v} for v in (1.0, 0.95, 0.91)]
    assert monitor.stops(history)
    assert monitor.best_epoch(history) == 2
    assert not monitor.stops([*history[:2], {"m": 0.89}])


def test_without_early_stopping_the_validation_loss_is_watched() -> None:
    assert choose_monitor([HEAD], None, True, 0) == Monitor("val_loss", more_is_better=False)
    assert choose_monitor([HEAD], None, False, 0) is None


@pytest.mark.parametrize("name", ["val_age_loss", "val_age_rmse"])
def test_early_stopping_monitors_losses_and_metrics(name: str) -> None:
    monitor = choose_monitor([HEAD], EarlyStopping(monitor=name, patience=3), True, 1)
    assert monitor == Monitor(name, more_is_better=False, patience=3, first_epoch=1)


def test_a_figure_that_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(RootstockError, match=r"'val_age_auc' is not a figure.*val_age_loss"):
        choose_monitor([HEAD], EarlyStopping(monitor="val_age_auc"), True, 0)
    with pytest.raises(RootstockError, match=r"data\.splits\.val"):
        choose_monitor([HEAD], EarlyStopping(), False, 0)
