from components.evaluation.measured import Measured, measured

AUC = {"values": {"auc": 0.9, "f1": None}, "intervals": {"auc": {"low": 0.8, "high": 1.0}}}


def test_a_row_for_every_task_slice_and_metric() -> None:
    content = {
        "tasks": {"ripe": {**AUC, "rows": 5}},
        "slices": {
            "colour=red": {"rows": 3, "tasks": {"ripe": {"values": {"auc": 0.7}, "rows": 2}}}
        },
    }
    assert list(measured(content)) == [
        Measured("ripe", "all", "auc", 0.9, 0.8, 1.0, 5),
        Measured("ripe", "all", "f1", None, None, None, 5),
        Measured("ripe", "colour=red", "auc", 0.7, None, None, 2),
    ]
