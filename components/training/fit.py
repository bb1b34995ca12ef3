"""How the Trainer trains. Importing this module imports TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from components.errors import RootstockError
from components.stage import Context
from components.training.callbacks import EpochCallback, Monitor
from components.training.checkpoint import Checkpoint
from components.training.dataset import evaluation_batches, training_batches
from components.training.optimizer import _undecayed, make_optimizer
from components.training.rows import Rows, TrainingData
from components.transform.batches import token_counts
from models.analysis.gradient_diagnostics import inspector
from models.balancing.base import GradientBalancer
from models.inputs.representation import REPRESENTATION
from models.lazy import keras, tf
from models.multitask.adaptation import Adaptation
from models.multitask.build import build_model
from models.multitask.model import MultitaskModel
from models.multitask.record import ModelRecord
from models.transfer.base import Phase, Transfer
from models.trunks.layers.trim_padding import trimming

if TYPE_CHECKING:
    from components.training.settings import EarlyStopping, Training

EVALUATION_BATCH = 512


@dataclass(frozen=True)
class Result:
    """A trained model and how it came about.

    trainable_parameters: how many numbers trained in some epoch.
    """

    model: MultitaskModel
    history: list[dict[str, float]]
    monitor: Monitor | None
    steps_per_epoch: int
    trainable_parameters: int

    @property
    def best_epoch(self) -> int | None:
        """Index of the epoch that the monitored figure prefers; None where nothing is monitored."""
        return None if self.monitor is None else self.monitor.best_epoch(self.history)

    @property
    def kept_epoch(self) -> int:
        """Index of the epoch whose weights the model has."""
        restored = self.monitor is not None and self.monitor.patience is not None
        best = self.best_epoch
        return best if restored and best is not None else len(self.history) - 1

    def figures(self) -> dict[str, float | int]:
        """The main figures: size, speed, and validation metrics of the model as it is."""
        fastest = min(epoch["train_seconds"] for epoch in self.history)
        found: dict[str, float | int] = {
            "parameters": int(self.model.count_params()),
            "trainable_parameters": self.trainable_parameters,
            "epochs": len(self.history),
            "best_epoch": (self.best_epoch or 0) + 1,
            "steps_per_second": round(self.steps_per_epoch / fastest, 1),
        }
        for head in self.model.heads:
            for metric in head.directions:
                name = f"val_{head.target.name}_{metric}"
                if name in self.history[self.kept_epoch]:
                    found[name] = round(self.history[self.kept_epoch][name], 4)
        return found


def train(
    record: ModelRecord,
    data: TrainingData,
    transfer: Transfer | None,
    training: Training,
    seed: int,
    context: Context,
) -> Result:
    """Fit a model, going on from the checkpoint in `context.scratch` if there is one."""
    keras.utils.set_random_seed(seed)
    with _precision(training.mixed_precision):
        try:
            model = build_model(record)
            adaptation = Adaptation(transfer, model)
        except ValueError as e:
            raise RootstockError(str(e)) from e
    _check_state(model, adaptation)
    trims = trimming(model.trunk)
    for layer in trims:
        layer.enabled = not training.xla
    given = data.train.features
    grouped = training.group_by_length and trims and REPRESENTATION not in given
    lengths = token_counts(given, record.features) if grouped else None
    epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
    batches = training_batches(
        data.train,
        training.batch_size,
        seed,
        epoch,
        training.sampling,
        steps=training.steps_per_epoch,
        lengths=lengths,
        augment=training.augment,
    )
    steps = int(batches.cardinality())
    phases = [p for p in adaptation.phases if p.start < training.epochs]
    notes = [*_left_out(phases, adaptation.phases), *_unbalanced(model, phases)]
    if training.group_by_length and not trims:
        notes.append("training.group_by_length does nothing: this trunk computes all padding.")
    for note in [*adaptation.notes, *notes]:
        context.observer.warn(note)
    monitor = choose_monitor(model, training.early_stopping, data.val is not None, phases[-1].start)
    optimizer = make_optimizer(training, steps, adaptation.paces(steps))
    optimizer.exclude_from_weight_decay(var_list=_undecayed(model, adaptation.variables))
    optimizer.build(adaptation.variables)
    model.compile(
        optimizer, jit_compile=training.xla, steps_per_execution=training.steps_per_execution
    )
    saved = Checkpoint(context.scratch / "checkpoint.npz", model, adaptation.changing)
    progress = saved.restore()
    report = EpochCallback(context.observer, epoch, training.epochs, saved, progress, monitor)
    ends = [p.start for p in phases[1:]] + [training.epochs]
    for phase, end in zip(phases, ends, strict=True):
        if len(progress.history) >= end or (monitor and monitor.stops(progress.history)):
            continue
        adaptation.enter(phase)
        if training.gradient_figures and len(data.targets) > 1:
            report.inspect = partial(inspector(model), *_sample(data.train, training.batch_size))
        model.make_train_function(force=True)
        model.fit(
            batches,
            validation_data=data.val and evaluation_batches(data.val, EVALUATION_BATCH),
            initial_epoch=len(progress.history),
            epochs=end,
            shuffle=False,
            verbose=0,
            callbacks=[report],
        )
    if progress.best:
        saved.put_back(progress.best)
    trained = int(sum(np.prod(v.shape) for v in adaptation.variables))
    adaptation.finish()
    return Result(model, progress.history, monitor, steps, trained)


def _left_out(phases: Sequence[Phase], planned: Sequence[Phase]) -> list[str]:
    """What a person should know where training ends before the last phase."""
    if len(phases) == len(planned):
        return []
    return [
        f"training.epochs ends before {len(planned) - len(phases)} of the {len(planned)} phases of"
        f" the transfer mode, the last of which starts after {planned[-1].start} epochs: what they"
        " would let train stays as it was pretrained."
    ]


def _sample(rows: Rows, count: int) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Rows from all over the split: files of one source follow each other in it."""
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64))
    features, labels = (
        {name: tf.constant(values[chosen]) for name, values in part.items()}
        for part in (rows.features, rows.labels)
    )
    return features, labels


def _check_state(model: MultitaskModel, adaptation: Adaptation) -> None:
    """Refuse a balancing method with a state per parameter where those that train change.

    Raises:
        RootstockError: see above.
    """
    balancer = model.balancer
    sized = isinstance(balancer, GradientBalancer) and balancer.needs_feature_count
    if model.at_parameters and sized and not adaptation.whole and adaptation.transfer is not None:
        raise RootstockError(
            "model.balancing keeps a state for each shared parameter, and with model.transfer"
            f" {adaptation.transfer.name} not all of them train all the time. Set `at:"
            " representation`, or choose another method."
        )


def _unbalanced(model: MultitaskModel, phases: Sequence[Phase]) -> list[str]:
    """What a person should know where a method that balances gradients has none to balance."""
    trunk = {id(v) for v in model.trunk.trainable_variables}
    free = [v for graft in model.grafts if not graft.private for v in graft.trainable_variables]
    common = model.common is not None and model.common.trainable_variables
    trains = common or any(id(v) in trunk for v in free) or any(p.variables for p in phases)
    if not isinstance(model.balancer, GradientBalancer) or trains:
        return []
    return [
        "model.balancing looks at gradients of what tasks share, and nothing of that trains: the"
        " weighted sum of the tasks' losses is minimised."
    ]


@contextmanager
def _precision(mixed: bool) -> Iterator[None]:
    """Build layers that compute in bfloat16, which needs no loss scaling."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def choose_monitor(
    model: MultitaskModel, stopping: EarlyStopping | None, validated: bool, first_epoch: int
) -> Monitor | None:
    """The figure that tells the best epoch; `val_loss` where early stopping names none.

    first_epoch: before which patience does not run out: that of the last phase.

    Raises:
        RootstockError: early stopping names a figure that there will not be.
    """
    more_is_better = {"val_loss": False}
    for head in model.heads:
        more_is_better[f"val_{head.target.name}_loss"] = False
        for metric, direction in head.directions.items():
            more_is_better[f"val_{head.target.name}_{metric}"] = direction == "max"
    if stopping is None:
        return Monitor("val_loss", more_is_better=False) if validated else None
    if not validated:
        raise RootstockError(
            "training.early_stopping needs validation rows, and the val split is empty: give"
            " data.data.val a larger share, or remove early_stopping."
        )
    if stopping.monitor not in more_is_better:
        raise RootstockError(
            f"training.early_stopping.monitor: {stopping.monitor!r} is not a figure of this model."
            f" Expected one of: {', '.join(more_is_better)}."
        )
    return Monitor(
        stopping.monitor, more_is_better[stopping.monitor], stopping.patience, first_epoch
    )
