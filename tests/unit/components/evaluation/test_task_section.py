"""The figures of a task on a page: what is drawn of a confusion matrix and of reliability."""

from typing import Any

from components.evaluation.task_section import MOST_CLASSES, TaskSection


def section(**changes: Any) -> TaskSection:
    task = {
        "task": "t",
        "classes": ["a", "b"],
        "confusion": [[8, 2], [0, 0]],
        "reliability": [
            {"count": 1, "confidence": 0.1, "accuracy": 1.0},
            {"count": 9, "confidence": 0.8, "accuracy": 0.7},
        ],
        "roc": [],
        "precision_recall": [[0.0, 1.0], [1.0, 0.5]],
        "values": {"auc": 0.9, "f1": None},
    }
    slices = {"one": {"tasks": {"t": {"values": {"auc": 0.5, "f1": None}}}}, "few": {"tasks": {}}}
    return TaskSection(task | changes, slices, {})


def test_bins_of_one_row_are_not_drawn() -> None:
    curve, reliability = section().plots()
    assert (curve.title, reliability.title) == (
        "Precision and recall",
        "Reliability: rows by confidence",
    )
    (dot,) = reliability.lines[0].dots
    assert (dot.text, dot.note) == ("9", "9 rows, confidence 0.800, accuracy 0.700")
    assert section().single_bins() == 1
    assert [t.text for t in curve.x_ticks] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]


def test_confusion_and_classes() -> None:
    (_, (right, wrong)), (_, nothing) = section().confusion()
    assert (right.shade, right.right, wrong.shade, wrong.right) == (8, True, 2, False)
    assert wrong.note == "2 of 10 rows of a were answered b"
    assert [c.shade for c in nothing] == [0, 0]
    assert section().classes() == [
        ("a", "10", "1.000", "0.800", "0.889"),
        ("b", "0", "0.000", "undefined", "0.000"),
    ]


def test_many_classes_are_a_list_of_confusions() -> None:
    n = MOST_CLASSES + 1
    counts = [[0] * n for _ in range(n)]
    counts[3][5], counts[4][2] = 7, 9
    many = section(classes=list(map(str, range(n))), confusion=counts)
    assert many.confusion() == []
    assert many.confusions() == [("4", "2", 9), ("3", "5", 7)]


def test_slices() -> None:
    assert list(section().measured_slices()) == ["one"]
    assert section().small_slices() == ["few"]
    assert section().slice_metrics() == ["auc"]
