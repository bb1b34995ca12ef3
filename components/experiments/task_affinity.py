"""TaskAffinity: how a step on one task changes the losses of the others, during joint training."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace

from components.artifacts import Affinities
from components.data.lazy import np
from components.stage import Context, Stage
from components.training.recipe import Recipe, TrainerInputs
from models.balancing.loss_based.equal import Equal
from models.sharing.hard import Hard

MEASUREMENTS = 100
BLOCKS = 10
"""Number of parts of training with separate means, to estimate the error of an affinity."""


@dataclass(frozen=True)
class TaskAffinityOutputs:
    affinities: Affinities


@dataclass(frozen=True, kw_only=True)
class TaskAffinity(Stage[TrainerInputs, TaskAffinityOutputs]):
    """Trains one model for all tasks with hard sharing and equal weights. Measures
    `models.analysis.task_affinity` at up to `MEASUREMENTS` of its steps.

    recipe: tasks, trunk, training settings and seed; its methods are ignored.
    """

    recipe: Recipe

    def uses(self, inputs: TrainerInputs) -> tuple[object, ...]:
        return self.recipe.trunk.made_of()

    def run(self, inputs: TrainerInputs, context: Context) -> TaskAffinityOutputs:
        from components.training.choices import Situation, choose
        from components.training.dataset import training_batches
        from components.training.optimizer import make_optimizer
        from components.training.rows import load_training_data
        from models.analysis.task_affinity import Measured, effects_of
        from models.lazy import keras, tf
        from models.multitask.adaptation import Adaptation
        from models.multitask.build import build_model

        recipe = replace(self.recipe, sharing=Hard(), balancing=Equal())
        inputs = replace(inputs, embeddings=None)
        features, data = load_training_data(inputs, recipe.tasks, recipe.training.subset)
        settings = choose(recipe.training, Situation(len(data.train), validated=False))
        keras.utils.set_random_seed(recipe.seed)
        model = build_model(recipe.record(features, data.targets, adapted=inputs.adapted))
        epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        batches = training_batches(
            data.train,
            settings.batch_size,
            recipe.seed,
            epoch,
            settings.sampling,
            steps=settings.steps_per_epoch,
            augment=settings.augment,
        )
        steps = int(batches.cardinality())
        adaptation = Adaptation(None, model)
        optimizer = make_optimizer(settings, steps, adaptation.variable_rates(steps))
        optimizer.build(adaptation.variables)
        model.compile(optimizer)
        adaptation.enter(adaptation.phases[0])
        shared = list(model.trunk.trainable_variables)
        effects, step = effects_of(model, shared), tf.function(model.train_step, autograph=False)
        total, measured = steps * settings.epochs, list[Measured]()
        every = max(1, total // MEASUREMENTS)
        for done in range(total):
            if done % steps == 0:
                epoch.assign(done // steps)
                iterator = iter(batches)
            batch = next(iterator)
            if done % every:
                step(batch)
                continue
            before = [tf.identity(v.value) for v in shared]
            step(batch)
            moved = [v.value - b for v, b in zip(shared, before, strict=True)]
            length = math.sqrt(sum(float(tf.reduce_sum(m**2)) for m in moved))
            if length == 0 and done + 1 < total:  # the learning rate of a warm-up starts at 0
                continue
            if measured:  # a length that was too large will be too large again
                length = min(length, 2 * measured[-1].length)
            measured.append(effects(batch[0], batch[1], length))
            context.observer.progress(done + 1, total, "steps")
        content = {
            "tasks": [t.name for t in data.targets],
            "effects": _blocks([m.effects for m in measured]),
            "cosines": _blocks([m.cosines for m in measured]),
        }
        directory = context.output / "affinities"
        directory.mkdir()
        (directory / "affinities.json").write_text(json.dumps(content))
        return TaskAffinityOutputs(Affinities(directory))


def _blocks(measured: list[np.ndarray]) -> list[list[list[float | None]]]:
    """Means [blocks, tasks, tasks] over parts of training; None if a pair was never measured."""
    parts = np.array_split(np.array(measured), min(BLOCKS, len(measured)))
    blocks = []
    for part in parts:
        known = ~np.isnan(part)
        sums, counts = np.where(known, part, 0).sum(axis=0), known.sum(axis=0)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        blocks.append([[None if np.isnan(v) else float(v) for v in row] for row in means])
    return blocks
