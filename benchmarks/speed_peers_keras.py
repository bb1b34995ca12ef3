"""Worker of `speed_peers.py`: the Trainer's loop, or `keras.Model.fit` with the same layers.

python speed_peers_keras.py CASE trainer|fit|fit8 [bf16] [recompute]
(fit8: 8 steps per execution; recompute: with gradient checkpointing)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack

from speed_peers_cases import ALPHA, CASES, RANK, Case, serve
from speed_peers_nets import features_of, trunk_of

from components.training.choices import Situation, choose
from components.training.dataset import training_batches
from components.training.loop import Loop
from components.training.optimizer import make_optimizer
from components.training.rows import Rows
from components.training.settings import Training
from models.analysis.flops import flops_per_example
from models.balancing.loss_based.equal import Equal
from models.lazy import keras, tf
from models.multitask.adaptation import Adaptation
from models.multitask.model import MultitaskModel
from models.multitask.planning import _freeze_statistics
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.transfer.fine_tune import FineTune
from models.transfer.lora import Lora
from models.trunks.layers.members import mean_of_members, members_of
from models.trunks.layers.recompute import recomputed_blocks


def batches_of(case: Case) -> tuple[tf.data.Dataset, tf.Variable]:
    """The batches of an epoch, and its number."""
    labels = {f"t{i}": each.copy() for i, each in enumerate(case.labels().T)}
    epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
    return training_batches(Rows(case.columns(), labels), case.batch, 0, epoch), epoch


def reading(case: Case) -> Callable[[], object]:
    """A pass over the batches."""
    iterator = iter(batches_of(case)[0].repeat())

    def one(done: tf.Tensor) -> tf.Tensor:
        iterator.get_next()
        return done + 1

    def work() -> None:
        tf.while_loop(lambda done: done < case.steps, one, [0], parallel_iterations=1)

    traced: Callable[[], object] = tf.function(work, autograph=False)
    return traced


def trainer(case: Case, recompute: ExitStack | None) -> tuple[Callable[[], object], int | None]:
    """An epoch of the Trainer: reading, training step, figures; without checkpoint.

    recompute: gradient checkpointing lasts as long as this; None is none.
    """
    names, features = [f"t{i}" for i in range(case.tasks)], features_of(case)
    targets = tuple(TaskTarget(task=BinaryTask(name=t, label=t)) for t in names)
    model = MultitaskModel(features, targets, trunk_of(case), Hard(), Equal())
    if recompute is not None:
        recompute.enter_context(recomputed_blocks(model.trunk))
    tuned = FineTune() if case.fine_tuned else None
    adaptation = Adaptation(Lora(rank=RANK, alpha=ALPHA) if case.lora else tuned, model)
    adaptation.enter(adaptation.phases[0])
    settings = choose(Training(epochs=1000, batch_size=case.batch), Situation(case.rows))
    optimizer = make_optimizer(settings, case.steps, adaptation.variable_rates(case.steps))
    optimizer.build(adaptation.variables)
    model.compile(optimizer)
    batches, epoch, loop = *batches_of(case), Loop(model)

    def work() -> None:
        epoch.assign_add(1)
        loop.train(batches, lambda done: None)

    return work, flops_per_example(model, features)


def fit(case: Case, steps_per_execution: int) -> Callable[[], object]:
    """An epoch of `fit` on arrays, with Keras's own Adam and no metrics."""
    trunk = trunk_of(case).build(features_of(case))
    if case.fine_tuned:
        _freeze_statistics(trunk)
    x, members = trunk.output, members_of(trunk)
    outputs = [keras.layers.Dense(1, dtype="float32")(x) for _ in range(case.tasks)]
    joined = outputs[0] if case.tasks == 1 else keras.layers.Concatenate(dtype="float32")(outputs)
    model = keras.Model(trunk.input, mean_of_members(joined, members))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, steps_per_execution=steps_per_execution)
    columns, labels = case.columns(), case.labels()
    return lambda: model.fit(columns, labels, batch_size=case.batch, verbose=0)


def main() -> None:
    case, engine = CASES[sys.argv[1]], sys.argv[2]
    keras.utils.set_random_seed(0)
    if "bf16" in sys.argv:
        keras.config.set_dtype_policy("mixed_bfloat16")
    if engine == "trainer":
        with ExitStack() as stack:
            work, flops = trainer(case, stack if "recompute" in sys.argv else None)
            serve(work, case.rows, flops=3 * (flops or 0))
    elif engine == "reading":
        serve(reading(case), case.rows)
    else:
        serve(fit(case, 8 if engine == "fit8" else 1), case.rows)


if __name__ == "__main__":
    main()
