import io
import json
from dataclasses import asdict

import numpy as np
import pytest

from components.evaluation.metrics import measure
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from pipeline.tracking.plots import gradient_panels, learning_curves, plots_of, task_plots


def drawn(figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def test_learning_curves_have_train_and_val_of_each_metric_by_epoch():
    epochs = [
        {"loss": 1.0, "val_loss": 1.5, "seconds": 1.0, "train_seconds": 1.0, "val_cat_auc": 0.5},
        {"loss": 0.5, "val_loss": 1.0, "seconds": 1.0, "train_seconds": 1.0, "val_cat_auc": 0.7},
    ]
    figures = dict(learning_curves(epochs))
    assert set(figures) == {"learning_loss.png", "learning_cat_auc.png"}
    lines = {line.get_label(): line for line in figures["learning_loss.png"].axes[0].lines}
    assert list(lines["train"].get_xdata()) == [1, 2]
    assert list(lines["val"].get_ydata()) == [1.5, 1.0]


@pytest.mark.slow
def test_interactions_between_tasks_are_one_plot():
    epochs = [
        {"loss": 1.0, "cat_weight": w, "cat_gradient_norm": 2.0, "gradient_cosine": -0.2}
        | {"gate/cat/expert0": 0.7, "dog_weight": float("nan")}
        for w in (1.0, 1.5)
    ]
    assert set(dict(learning_curves(epochs))) == {"learning_loss.png"}
    ((name, figure),) = gradient_panels(epochs)
    assert name == "tasks_together.png"
    assert len(figure.axes) == 4
    labels = [[line.get_label() for line in axes.lines] for axes in figure.axes]
    assert labels == [["cat"], ["cat"], ["cosine"], ["cat/expert0"]]
    assert list(figure.axes[0].lines[0].get_ydata()) == [1.0, 1.5]
    assert drawn(figure).startswith(b"\x89PNG")
    assert list(gradient_panels([{"loss": 1.0}])) == []


@pytest.mark.parametrize("count", [2, 40])
def test_a_multiclass_task_is_drawn_whatever_its_number_of_classes(count):
    classes = tuple(f"a class with the long name {i}" for i in range(count))
    target = TaskTarget(task=MulticlassTask(name="t", label="y"), classes=classes)
    rng = np.random.default_rng(0)
    measured = measure(target, rng.integers(0, count, 200), rng.dirichlet(np.ones(count), 200))
    figures = dict(task_plots(asdict(measured)))
    assert set(figures) == {"confusion_t.png", "reliability_t.png"}
    assert all(drawn(f).startswith(b"\x89PNG") for f in figures.values())


def test_a_task_without_labels_has_no_plots():
    target = TaskTarget(task=BinaryTask(name="t", label="y"), classes=("negative", "positive"))
    measured = measure(target, np.full(3, np.nan), np.zeros(3))
    assert dict(task_plots(asdict(measured))) == {}


def test_plots_are_found_by_what_an_artifact_holds(tmp_path):
    assert list(plots_of(tmp_path)) == []
    (tmp_path / "history.json").write_text(json.dumps({"epochs": [{"loss": 1.0}]}))
    assert [name for name, _ in plots_of(tmp_path)] == ["learning_loss.png"]
