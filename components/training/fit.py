"""Fits a multitask model. Importing this module imports TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from components.calibration.calibrating import Chosen, choose_calibrations
from components.calibration.conformal import check_rows, choose_radii
from components.calibration.decisions import choose_decisions
from components.errors import RootstockError
from components.stage import Context, Observer
from components.training.choices import Situation, choose, sentence
from components.training.dataset import evaluation_batches, training_batches
from components.training.devices import Devices, check_devices, devices_for
from components.training.epochs import Epochs
from components.training.loop import Loop
from components.training.monitor import Monitor, choose_monitor
from components.training.optimizer import make_optimizer, variables_without_decay
from components.training.pairs import PairTraining, represented, start_heads, train_on_pairs
from components.training.precision import precision, without_gain
from components.training.rows import Rows, TrainingData
from components.training.shared_checkpoint import SharedCheckpoint
from components.training.stacking import stack_experts
from components.training.stored_copy import StoredCopy
from components.training.unseen_rows import unseen_rows
from components.transform.batches import token_counts
from models.analysis.gradient_diagnostics import gradient_diagnostics
from models.balancing.base import GradientBalancer
from models.experts.margins import MARGINS
from models.inputs.representation import REPRESENTATION
from models.lazy import keras, tf
from models.multitask.adaptation import Adaptation
from models.multitask.build import build_model
from models.multitask.model import MultitaskModel
from models.multitask.record import ModelRecord
from models.optimizers.schedule_free import ScheduleFree, ScheduleFreeAverage
from models.optimizers.weight_average import LastEpochs, MovingAverage, WeightAverage
from models.tasks.base import TaskTarget
from models.transfer.base import Phase, Transfer
from models.trunks.layers.recompute import recomputed_blocks
from models.trunks.layers.trim_padding import trimming

if TYPE_CHECKING:
    from components.training.settings import ChosenTraining, LastWordOf, Training

EVALUATION_BATCH = 512
"""Largest number of validation rows in a batch, or of windows of texts."""
NOT_STACKED = (
    "model.experts: without validation rows nothing tells how far to trust network and experts:"
    " each has the weight that it begins with. Give data.splits.val a share."
)


@dataclass(frozen=True)
class TrainingResult:
    """A trained model and the history of its training.

    history: the figures of each epoch. training: the settings that were used. chosen: those of them
        that the spec left out, for people.
    trainable_parameters: number of parameters that trained in at least one epoch.
    decisions: by task, the probability above which its answer is yes, where it was chosen.
    calibrations: of the tasks that ask for one.
    last_word: by task, the weight of the network and of each expert; empty without experts.
    pairs: what the trunk was trained on before; None if on nothing.
    """

    model: MultitaskModel
    history: list[dict[str, float]]
    monitor: Monitor | None
    steps_per_epoch: int
    trainable_parameters: int
    last_word: dict[str, dict[str, float]]
    decisions: dict[str, float]
    calibrations: dict[str, Chosen]
    training: ChosenTraining
    chosen: str
    pairs: PairTraining | None = None

    def decided(self, targets: tuple[TaskTarget, ...]) -> tuple[TaskTarget, ...]:
        """The targets of the model's tasks, with the decisions that were chosen."""
        chosen = self.decisions
        return tuple(replace(t, decision=chosen.get(t.name, t.decision)) for t in targets)

    @property
    def best_epoch(self) -> int | None:
        """Index of the epoch with the best monitored figure; None if nothing is monitored."""
        return None if self.monitor is None else self.monitor.best_epoch(self.history)

    @property
    def kept_epoch(self) -> int:
        """Index of the epoch whose weights the model has."""
        restored = self.monitor is not None and self.monitor.patience is not None
        best = self.best_epoch
        return best if restored and best is not None else len(self.history) - 1

    def figures(self) -> dict[str, float | int | str]:
        """The main figures: size, speed, and validation metrics at the kept epoch."""
        kept = self.history[self.kept_epoch]
        fastest = max(epoch["steps"] / epoch["train_seconds"] for epoch in self.history)
        figures: dict[str, float | int | str] = {
            "parameters": int(self.model.count_params()),
            "trainable_parameters": self.trainable_parameters,
            "epochs": len(self.history),
            "best_epoch": (self.best_epoch or 0) + 1,
            **({"chosen": self.chosen} if self.chosen else {}),
            **({"pairs": self.pairs.sentence()} if self.pairs else {}),
            "steps_per_second": round(fastest, 1),
        }
        for task, weights in self.last_word.items():
            said = " + ".join(f"{w:.2f} {name}" for name, w in weights.items() if w > 0)
            figures[f"{task} last word"] = said
        figures |= {f"{task} calibration": str(c) for task, c in self.calibrations.items()}
        figures |= {f"{task} decision": round(p, 4) for task, p in self.decisions.items()}
        names = [f"val_{h.target.name}_{m}" for h in self.model.heads for m in h.directions]
        return figures | {name: round(kept[name], 4) for name in names if name in kept}


def train(
    record: ModelRecord,
    data: TrainingData,
    transfer: Transfer | None,
    wanted: Training,
    seed: int,
    context: Context,
    last_word: LastWordOf = "stack",
) -> TrainingResult:
    """Fit a model. Resumes from the checkpoint in `context.scratch`, if there is one.

    wanted: the settings of the spec; those that it leaves out are chosen here.

    Raises:
        RootstockError: the model cannot be built, the settings do not fit it, or training diverges.
    """
    validated = None if data.val is None else data.val.labels
    check_rows((t.task for t in data.targets), validated, data.val_groups)
    alone = wanted.xla or (transfer is not None and transfer.on_pairs)
    devices = devices_for(wanted.devices, alone)
    with devices.scope():
        return _train(record, data, transfer, wanted, seed, context, last_word, devices)


def _train(
    record: ModelRecord,
    data: TrainingData,
    transfer: Transfer | None,
    wanted: Training,
    seed: int,
    context: Context,
    last_word: LastWordOf,
    devices: Devices,
) -> TrainingResult:
    keras.utils.set_random_seed(seed)
    with precision(wanted.mixed_precision):
        try:
            model = build_model(record)
            adaptation = Adaptation(transfer, model)
        except ValueError as e:
            raise RootstockError(str(e)) from e
    if model.fusion is not None:
        model.fusion.standardise_by(np.asarray(data.train.features[MARGINS][:]))
    _check_balancing_state(model, adaptation)
    training = choose(wanted, _situation(data, adaptation))
    if last_word == "experts":
        training = replace(training, epochs=1, steps_per_epoch=1)
    check_devices(devices, training, adaptation)
    separate_seeds = devices.prepare(model)
    trims = trimming(model.trunk)
    for layer in trims:
        layer.enabled = not training.xla
    paired = None
    if adaptation.pairs is not None:
        paired = train_on_pairs(model, adaptation.pairs, data, seed, context)
        if training.augment is None:  # images that change have no fixed representation
            data = data.mapped(lambda rows: represented(model, rows, (MARGINS,)))
            start_heads(model, adaptation.pairs, data, context.observer)
    features = data.train.features
    by_length = training.group_by_length and trims and REPRESENTATION not in features
    epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
    batches = training_batches(
        data.train,
        training.batch_size,
        seed,
        epoch,
        training.sampling,
        steps=training.steps_per_epoch,
        lengths=token_counts(features, record.features) if by_length else None,
        augment=training.augment,
        replicas=devices.count,
        own=devices.own,
    )
    steps = int(batches.cardinality())
    phases = [p for p in adaptation.phases if p.start < training.epochs]
    warnings = [*adaptation.notes, *_skipped_phases(phases, adaptation.phases)]
    warnings += _nothing_to_balance(model, phases) + without_gain(wanted.mixed_precision)
    if wanted.epochs is None and not data.val and last_word == "stack":
        warnings.append(
            "There are no validation rows, so training cannot stop when it no longer improves: it"
            f" ends after {training.epochs} epochs. Give data.splits.val a share, or state"
            " training.epochs."
        )
    if training.group_by_length and not trims:
        warnings.append("training.group_by_length has no effect: this trunk computes all padding.")
    if training.devices == "all" and devices.count == 1:
        warnings.append("training.devices: all has no effect: TensorFlow sees one device.")
    if training.steps_per_execution is not None:
        warnings.append("training.steps_per_execution has no effect any more. Remove it.")
    observer, last_start = context.observer, phases[-1].start
    for warning in warnings:
        observer.warn(warning)
    monitor = choose_monitor(model.heads, training.early_stopping, bool(data.val), last_start)
    optimizer = make_optimizer(training, steps, adaptation.variable_rates(steps))
    optimizer.exclude_from_weight_decay(var_list=variables_without_decay(model, adaptation))
    optimizer.build(adaptation.variables)
    rows_at_once = max(EVALUATION_BATCH // max(f.sequences for f in record.features), 1)
    model.compile(optimizer)
    model.average = average = _average(training, model, adaptation)
    state = [] if average is None else average.variables
    file = context.scratch / "checkpoint.npz"
    saved = file, optimizer, adaptation.changing, state, devices
    checkpoint = SharedCheckpoint(*saved, copy=StoredCopy.of(context))
    progress = checkpoint.restore()
    separate_seeds()
    length = training.epochs, checkpoint, progress, monitor, training.seconds, context.ends
    epochs = Epochs(model, observer, epoch, steps, *length)
    replicas = devices.count, devices.own
    validation = evaluation_batches(data.val, rows_at_once, *replicas) if data.val else None
    ends = [p.start for p in phases[1:]] + [training.epochs]
    with _checkpointing(training, model.trunk, observer):
        for phase, end in zip(phases, ends, strict=True):
            if len(progress.history) >= end or epochs.done:
                continue
            adaptation.enter(phase)
            if training.gradient_figures and len(data.targets) > 1:
                sample = _sample(data.train, training.batch_size)
                epochs.more_figures = partial(gradient_diagnostics(model, devices.first), *sample)
            epochs.run(Loop(model, training.xla, devices), end, batches, validation)
    for note in model.balancer.notes():
        observer.warn(note)
    if progress.best:
        checkpoint.set_weights(progress.best)
    elif average is not None:
        average.set_weights(average.values())
    before = adaptation.pairs.variables if adaptation.pairs else ()
    trained = int(sum(np.prod(v.shape) for v in (*before, *adaptation.variables)))
    adaptation.finish()
    tuned = transfer is None or transfer.tunes or transfer.on_pairs
    fine_tuned = record.trunk.pretrained and tuned
    weights = stack_experts(model, data.observed, data.val, fine_tuned, last_word)
    if weights and data.val is None and last_word == "stack":
        observer.warn(NOT_STACKED)
    unseen = unseen_rows(model, data.observed, data.val, data.val_groups)
    calibrations = choose_calibrations(model.answering, unseen, observer)
    model.calibrations = {t: c.calibration for t, c in calibrations.items() if c.changes}
    model.radii = choose_radii(model.answering, unseen, observer)
    result = TrainingResult(
        model=model,
        history=progress.history,
        monitor=monitor,
        steps_per_epoch=steps,
        trainable_parameters=trained,
        last_word=weights,
        calibrations=calibrations,
        decisions=choose_decisions(model.answering, unseen, observer),
        training=training,
        chosen=sentence(wanted, training),
        pairs=paired,
    )
    if warning := _still_improving(result):
        observer.warn(warning)
    return result


def _situation(data: TrainingData, adaptation: Adaptation) -> Situation:
    """What the settings are chosen from."""
    rows = len(data.train)
    return Situation(
        rows=rows,
        transfer=adaptation.transfer,
        validated=data.val is not None,
        labelled=float(np.mean([min(t.labelled, rows) for t in data.targets])) / rows,
        last_phase=adaptation.phases[-1].start,
    )


def _average(
    training: ChosenTraining, model: MultitaskModel, adaptation: Adaptation
) -> WeightAverage | None:
    """The average of the weights that is validated and kept; None if that is the last weights."""
    changing = {id(v) for v in adaptation.changing} - {id(v) for v in model.balancer.variables}
    if isinstance(model.optimizer, ScheduleFree):
        return ScheduleFreeAverage(model.optimizer)
    weights = [w for w in model.weights if id(w) in changing and "float" in w.dtype]
    if training.average_last is not None:
        return LastEpochs(weights, training.average_last)
    return MovingAverage(weights, training.ema) if training.ema else None


def _still_improving(result: TrainingResult) -> str:
    """A warning if the last of several epochs is the best one, else empty."""
    count, monitor = len(result.history), result.monitor
    if monitor is None or count < 2 or result.best_epoch != count - 1:
        return ""
    if monitor.stops(result.history):  # it improved by less than `min_delta`
        return ""
    return (
        f"The best epoch by {monitor.name} is the last of {count}: the model was still improving."
        f" Raise training.{'epochs' if count >= result.training.epochs else 'seconds'}."
    )


def _skipped_phases(phases: Sequence[Phase], planned: Sequence[Phase]) -> list[str]:
    """A warning if training ends before the last phase of the transfer mode."""
    if len(phases) == len(planned):
        return []
    return [
        f"training.epochs ends before {len(planned) - len(phases)} of the {len(planned)} phases of"
        f" the transfer mode; the last one starts after {planned[-1].start} epochs. The weights"
        " that these phases would train keep their pretrained values."
    ]


def _nothing_to_balance(model: MultitaskModel, phases: Sequence[Phase]) -> list[str]:
    """A warning if a gradient-based method has no gradients to balance."""
    trunk = {id(v) for v in model.trunk.trainable_variables}
    grafted = [v for graft in model.grafts if not graft.private for v in graft.trainable_variables]
    common = model.common is not None and model.common.trainable_variables
    trains = common or any(id(v) in trunk for v in grafted) or any(p.variables for p in phases)
    if not isinstance(model.balancer, GradientBalancer) or trains:
        return []
    return [
        "model.balancing needs gradients of shared weights, but no shared weight trains. Training"
        " minimises the weighted sum of the tasks' losses."
    ]


def _check_balancing_state(model: MultitaskModel, adaptation: Adaptation) -> None:
    """Check that a method with one state per parameter has the same parameters in all epochs.

    Raises:
        RootstockError: a transfer mode changes which parameters train.
    """
    balancer, transfer = model.balancer, adaptation.transfer
    if not (isinstance(balancer, GradientBalancer) and balancer.needs_feature_count):
        return
    if model.at_parameters and transfer is not None and not adaptation.trains_everything:
        raise RootstockError(
            "model.balancing keeps a state for each shared parameter, but with model.transfer"
            f" {transfer.name} some of them do not train in all epochs. Set `at: representation`,"
            " or choose another method."
        )


def _sample(rows: Rows, count: int) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Evenly spaced rows, because rows of one source follow each other in a split."""
    indices = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64))
    features, labels = (
        {name: tf.constant(values[indices]) for name, values in columns.items()}
        for columns in (rows.features, rows.labels)
    )
    return features, labels


@contextmanager
def _checkpointing(
    training: ChosenTraining, trunk: keras.Model, observer: Observer
) -> Iterator[None]:
    if not training.gradient_checkpointing:
        yield
        return
    with recomputed_blocks(trunk) as count:
        if not count:
            observer.warn(
                "training.gradient_checkpointing has no effect: the trunk has no blocks without"
                " dropout that could be computed again."
            )
        yield
