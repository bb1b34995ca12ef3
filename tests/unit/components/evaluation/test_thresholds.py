import pytest

from components.data.slices import Slice
from components.errors import RootstockError
from components.evaluation.assessment import ALL, Assessment, Change
from components.evaluation.intervals import Interval
from components.evaluation.metrics import TaskMetrics
from components.evaluation.thresholds import Threshold, check_thresholds, judge
from models.tasks.binary import BinaryTask

TASKS = (BinaryTask(name="t", label="y"),)


def found(value, interval=None, change=None) -> Assessment:
    metrics = TaskMetrics(
        task="t", kind="binary", rows=9, values={"auc": value}, undefined={"auc": "one class"}
    )
    return Assessment(
        metrics,
        {} if interval is None else {"auc": Interval(*interval)},
        {} if change is None else {"auc": Change(change[0], 0.5, Interval(*change[1:]))},
    )


def verdict(threshold: Threshold, slices: dict[str, Assessment], compared=("t",)) -> list[str]:
    """What is missed."""
    checks = judge([threshold], {"t": slices}, "test", compared)
    assert checks or threshold.compares
    return [c.message for c in checks if not c.met]


def auc(**bounds) -> Threshold:
    return Threshold(task="t", metric="auc", **bounds)


@pytest.mark.parametrize(
    ("bounds", "missed"),
    [
        ({"min": 0.8}, None),
        ({"min": 0.85}, "below the threshold 0.85"),
        ({"max": 0.7}, "above the threshold 0.7"),
        ({"min": 0.75, "meets": "certainly"}, "possibly below"),
        ({"min": 0.65, "meets": "certainly"}, None),
        ({"min": 0.85, "meets": "possibly"}, None),
        ({"min": 0.95, "meets": "possibly"}, "significantly below"),
        ({"max": 0.75, "meets": "possibly"}, None),
        ({"max": 0.65, "meets": "possibly"}, "significantly above"),
        ({"max": 0.85, "meets": "certainly"}, "possibly above"),
    ],
)
def test_values_and_their_intervals(bounds, missed):
    reasons = verdict(auc(**bounds), {ALL: found(0.8, (0.7, 0.9))})
    assert [missed in line for line in reasons] == ([] if missed is None else [True])


@pytest.mark.parametrize(
    ("bounds", "missed"),
    [
        ({"min_change": 0.0}, "is -0.01, below"),
        ({"min_change": 0.0, "meets": "possibly"}, None),
        ({"min_change": 0.02, "meets": "possibly"}, "significantly below"),
        ({"min_change": -0.02, "meets": "certainly"}, "possibly below"),
        ({"max_change": -0.02}, "above"),
    ],
)
def test_changes_against_the_champion(bounds, missed):
    reasons = verdict(auc(**bounds), {ALL: found(0.8, change=(-0.01, -0.03, 0.01))})
    assert [missed in line for line in reasons] == ([] if missed is None else [True])


def test_without_a_champion_for_the_task_change_thresholds_are_met():
    assert verdict(auc(min_change=0.1), {ALL: found(0.8)}, compared=()) == []
    reasons = verdict(auc(min_change=0.1), {ALL: found(0.8)})
    assert "undefined" in reasons[0]


def test_one_failing_slice_vetoes_the_push():
    slices = {ALL: found(0.9), "sex=f": found(0.8), "sex=m": found(0.6), "age=..30": found(0.5)}
    assert verdict(auc(min=0.7), slices) == []
    reasons = verdict(auc(min=0.7, slice="sex=*"), slices)
    assert [line.split(" where ")[1][:5] for line in reasons] == ["sex=m"]
    assert len(verdict(auc(min=0.7, slice="*"), slices)) == 2
    assert verdict(auc(min=0.7, slice="sex=f"), slices) == []


def test_a_slice_that_is_too_small_or_undefined_is_a_miss():
    assert "no slice 'sex=x'" in verdict(auc(min=0.7, slice="sex=x"), {ALL: found(0.9)})[0]
    assert "undefined: one class" in verdict(auc(min=0.7), {ALL: found(None)})[0]


@pytest.mark.parametrize(
    ("threshold", "said"),
    [
        (auc(min=0.5, slice="sex=f"), "evaluation.slices is empty"),
        (auc(min_change=1, max_change=0), "above max_change"),
        (
            Threshold(task="t", metric="calibration_error", max=1, meets="certainly"),
            "no confidence",
        ),
    ],
)
def test_thresholds_that_cannot_be_met_are_refused(threshold, said):
    with pytest.raises(RootstockError, match=said):
        check_thresholds(TASKS, [threshold])


def test_slices_by_other_columns_are_refused():
    with pytest.raises(RootstockError, match="no slice is by column 'job'"):
        check_thresholds(TASKS, [auc(min=0, slice="job=cook")], [Slice(columns=("sex",))])
    check_thresholds(TASKS, [auc(min=0, slice="sex=* & age=*")], [Slice(columns=("sex", "age"))])
