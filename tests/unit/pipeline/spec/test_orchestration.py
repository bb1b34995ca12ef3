from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from pipeline.phases import PHASES
from pipeline.spec.orchestration import Orchestration, TaskName


def test_its_tasks_are_the_phases() -> None:
    assert get_args(TaskName) == tuple(PHASES)


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("schedule", "daily"),
        ("schedule", "0 6 * *"),
        ("schedule", "0 6 * * *\n"),
        ("secrets", {"A B": "shop/password"}),
        ("secrets", {"PASSWORD": "opensesame"}),
        ("resources", {"training": {}}),
        ("resources", {"train": {"memory": "16 GB"}}),
        ("resources", {"train": {"memory": 16}}),
        ("resources", {"train": {"gpus": -1}}),
    ],
)
def test_what_no_orchestrator_understands_is_wrong(key: str, wrong: Any) -> None:
    with pytest.raises(ValidationError):
        Orchestration.model_validate({key: wrong})


def test_what_they_understand() -> None:
    section = Orchestration.model_validate(
        {
            "schedule": "*/15 6-18 * JAN-MAR MON,FRI",
            "resources": {"train": {"cpu": 0.5, "memory": "512Mi", "gpus": 2}},
            "secrets": {"DB_PASSWORD": "my-shop.example/db.password"},
        }
    )
    assert section.resources["train"].gpu == "nvidia.com/gpu"
