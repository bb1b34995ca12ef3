import json

from pipeline.tracking.evaluations import main_metrics, metrics_of, tables_of

AUC = {"values": {"auc": 0.9, "f1": None}, "intervals": {"auc": {"low": 0.8, "high": 1.0}}}
SLICE = {"rows": 3, "tasks": {"ripe": {"values": {"auc": 0.7}, "rows": 2}}}
CONTENT = {
    "split": "test",
    "tasks": {"ripe": {**AUC, "rows": 5}},
    "slices": {"town=Aš/1": SLICE, "town=Až/1": SLICE},
    "mistakes": {"ripe": [{"row": 3, "label": "no", "answer": "yes", "probability": 0.8}]},
}


def test_metrics_with_intervals_and_slices_that_never_share_a_name() -> None:
    assert metrics_of(CONTENT) == {
        "ripe.auc": 0.9,
        "ripe.auc.low": 0.8,
        "ripe.auc.high": 1.0,
        "slice/town_Aš_1/ripe.auc": 0.7,
        "slice/town_Až_1/ripe.auc": 0.7,
    }


def test_tables_of_metrics_and_mistakes() -> None:
    tables = {file: json.loads(text) for file, text in tables_of(CONTENT)}
    metrics = tables["tables/metrics.json"]
    first = dict(zip(metrics["columns"], metrics["data"][0], strict=True))
    assert list(first)[:2] == ["name", "value"]
    assert first["name"] == "ripe.auc"
    assert (first["task"], first["slice"], first["metric"]) == ("ripe", "all", "auc")
    assert (first["value"], first["low"], first["high"], first["rows"]) == (0.9, 0.8, 1.0, 5)
    assert metrics["data"][2][0] == "ripe.auc, town=Aš/1"
    assert tables["tables/mistakes.json"] == {
        "columns": ["name", "answer", "task", "row", "label", "probability"],
        "data": [["ripe, row 3", "yes", "ripe", 3, "no", 0.8]],
    }


def test_the_description_has_the_main_metric_of_each_task() -> None:
    assert main_metrics(CONTENT).splitlines()[2:] == ["| ripe | auc | 0.9000 | 0.8000 to 1.0000 |"]
