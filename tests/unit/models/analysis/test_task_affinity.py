"""Affinities against the first-order change of the losses, from gradients taken apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.training.rows import load_rows
from models.analysis.task_affinity import effects_of
from models.balancing.loss_based.equal import Equal
from models.lazy import keras, tf
from models.multitask.build import build_model
from models.multitask.record import ModelRecord
from models.multitask.train_step import batch_losses
from models.sharing.hard import Hard
from models.trunks.scratch import Scratch
from tests.trainer_data import COLUMNS_ONLY, TASKS, write_inputs

LENGTH = 1e-2


@pytest.mark.slow
def test_a_small_step_changes_losses_by_its_gradients_and_a_long_one_is_shortened(
    tmp_path: Path,
) -> None:
    inputs = write_inputs(tmp_path, {"train": 64, "val": 8}, COLUMNS_ONLY)
    splits = load_rows(inputs.examples, inputs.batches, COLUMNS_ONLY, TASKS)
    keras.utils.set_random_seed(0)
    record = ModelRecord(
        features=COLUMNS_ONLY,
        targets=splits.targets,
        trunk=Scratch(width=8, dropout=0.5),
        sharing=Hard(),
        balancing=Equal(),
    )
    model = build_model(record)
    features = {n: tf.constant(v) for n, v in splits.train.features.items()}
    labels = {n: tf.constant(v) for n, v in splits.train.labels.items()}
    shared = list(model.trunk.trainable_variables)
    before = [np.array(v) for v in model.weights]
    measure = effects_of(model, shared)
    small = measure(features, labels, LENGTH)
    effects, cosines = small.effects, small.cosines
    assert small.length == LENGTH

    assert all(np.array_equal(b, v) for b, v in zip(before, model.weights, strict=True))
    gradients, losses = [], []
    for i in range(len(TASKS)):
        with tf.GradientTape() as tape:
            outputs = model.towers(model.represent(features, training=False), training=False)
            loss = batch_losses(model.heads, labels, outputs, model.members).each[i]
        found = tape.gradient(loss, [v.value for v in shared])
        gradients.append(
            np.concatenate([np.asarray(tf.convert_to_tensor(g)).ravel() for g in found])
        )
        losses.append(float(loss))
    flat = np.array(gradients)
    norms = np.linalg.norm(flat, axis=1)
    assert cosines == pytest.approx(flat @ flat.T / np.outer(norms, norms), abs=1e-4)
    first_order = LENGTH / norms.mean() * (flat @ flat.T) / np.array(losses)
    assert effects == pytest.approx(first_order, abs=0.1 * np.abs(first_order).max())
    assert (np.diagonal(effects) > 0).all()

    far = measure(features, labels, 1e2)
    assert far.length < 100
    promised = far.length / norms.mean() * norms**2 / np.array(losses)
    assert (np.diagonal(far.effects) > promised / 2 - 1e-6).all()
