"""How tasks' steps change each other's losses, measured over one training run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from components.experiments.task_affinity import TaskAffinity
from components.stage import Context
from components.training.recipe import Recipe
from components.training.sampling import RoundRobin
from components.training.settings import Training
from models.tasks.base import Task
from models.trunks.scratch import Scratch
from tests.trainer_data import COLUMNS_ONLY, TASKS, write_inputs

pytestmark = pytest.mark.slow


def effects(directory: Path, tasks: tuple[Task, ...], **options: object) -> np.ndarray:
    """Means [blocks, tasks, tasks] of a short run."""
    inputs = write_inputs(directory / "data", {"train": 150, "val": 40}, COLUMNS_ONLY)
    training = Training(epochs=2, batch_size=32, **options)  # type: ignore[arg-type]
    recipe = Recipe(tasks=tasks, trunk=Scratch(width=8), training=training)
    for name in ("output", "scratch"):
        (directory / name).mkdir()
    context = Context(directory / "output", directory / "scratch")
    found = TaskAffinity(recipe=recipe).run(inputs, context).affinities
    content = json.loads((found.path / "affinities.json").read_text())
    assert content["tasks"] == [t.name for t in tasks]
    return np.array(content["effects"], np.float64)


@pytest.mark.parametrize(("tasks", "steps"), [(TASKS, None), (TASKS[:2], 3)])
def test_each_pair_is_measured_and_the_same_each_time(
    tmp_path: Path, tasks: tuple[Task, ...], steps: int | None
) -> None:
    one, other = (effects(tmp_path / n, tasks, steps_per_epoch=steps) for n in ("one", "other"))
    assert one.shape[1:] == (len(tasks), len(tasks))
    assert np.isfinite(one).all()
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_it_reads_the_batches_that_training_reads(tmp_path: Path) -> None:
    plain, sampled = (
        effects(tmp_path / name, TASKS[:2], **options)
        for name, options in {"plain": {}, "sampled": {"sampling": RoundRobin()}}.items()
    )
    assert plain.shape != sampled.shape or not np.allclose(plain, sampled)
