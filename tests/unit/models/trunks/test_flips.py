"""Answers of a model that averages over mirror images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.balancing.loss_based.equal import Equal
from models.inputs.image import ImageFeature
from models.lazy import keras
from models.multitask.model import MultitaskModel
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.regression import RegressionTask
from models.trunks.encoders.residual_convnet import ResidualConvnet
from models.trunks.scratch import Scratch

IMAGE = ImageFeature(name="photo", column="p", height=6, width=5, channels=3, flip_average=True)
TARGET = TaskTarget(task=RegressionTask(name="t", label="t"))
TRUNK = Scratch(width=4, dropout=0, image=ResidualConvnet(widths=(4,)))
ROWS = np.random.default_rng(0).integers(0, 256, (3, 6, 5, 3), np.uint8)


def model(feature: ImageFeature) -> MultitaskModel:
    keras.utils.set_random_seed(3)
    return MultitaskModel((feature,), (TARGET,), TRUNK, Hard(), Equal())


def test_the_representation_is_the_mean_over_both_sides() -> None:
    plain, averaged = model(replace(IMAGE, flip_average=False)), model(IMAGE)
    mirrored = ROWS[:, :, ::-1].copy()
    one, other = (plain.represent({"photo": rows}) for rows in (ROWS, mirrored))
    assert np.abs(one - other).max() > 0.01
    found = averaged.represent({"photo": ROWS})
    np.testing.assert_allclose(found, (one + other) / 2, atol=1e-6)
    answers = [averaged.answers({"photo": rows})["t"] for rows in (ROWS, mirrored)]
    np.testing.assert_allclose(*answers, atol=1e-6)


def test_training_reads_the_images_as_they_are() -> None:
    found, expected = (
        model(f).represent({"photo": ROWS}, training=True)
        for f in (IMAGE, replace(IMAGE, flip_average=False))
    )
    np.testing.assert_array_equal(found, expected)
