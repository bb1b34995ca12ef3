"""What `predict` prints."""

from __future__ import annotations

from pipeline.cli.serving import named


def test_sets_and_labels_name_their_classes() -> None:
    by_class = {"job": {"cook": 0.2, "nurse": 0.7, "smith": 0.1}, "has": {"a": 0.1, "b": 0.9}}
    answers = {
        "job": [0.2, 0.7, 0.1],
        "job.class": "nurse",
        "job.set": [True, True, False],
        "has": [0.1, 0.9],
        "has.labels": [False, True],
        "price": [3.0],
        "price.upper": [4.0],
    }
    shown = named(answers, by_class)
    assert list(shown["job"]) == ["nurse", "cook", "smith"]  # type: ignore[call-overload]
    assert shown["job.set"] == ["cook", "nurse"]
    assert shown["has.labels"] == ["b"]
    assert {n: shown[n] for n in ("job.class", "price", "price.upper")} == {
        "job.class": "nurse",
        "price": [3.0],
        "price.upper": [4.0],
    }
    assert named(answers, {}) == answers, "a server may have no signatures with classes"
