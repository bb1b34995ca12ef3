from pathlib import Path

from components.export.classes_file import read_classes, write_classes
from models.tasks.base import TaskTarget
from models.tasks.multiclass import MulticlassTask
from models.tasks.regression import RegressionTask


def test_classes_of_tasks_that_have_some_are_read_again(tmp_path: Path) -> None:
    targets = [
        TaskTarget(task=MulticlassTask(name="fruit", label="f"), classes=("apple", "pear")),
        TaskTarget(task=RegressionTask(name="weight", label="w")),
    ]
    write_classes(targets, tmp_path)
    assert read_classes(tmp_path) == {"fruit": ("apple", "pear")}


def test_a_model_of_another_program_has_no_classes(tmp_path: Path) -> None:
    assert read_classes(tmp_path) == {}
