"""Trial: trains a model for a study and keeps only its figures."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from statistics import median
from timeit import repeat
from typing import TYPE_CHECKING

from components.artifacts import TrialResult
from components.data.lazy import np
from components.experiments import trial_result
from components.experiments.peak_memory import PeakMemory
from components.experts.fitting import ExpertRows, FittedExperts, Wanted, fit_experts, margins_of
from components.labels.encoding import encode_split
from components.stage import Context, Stage
from components.training.recipe import Recipe, TrainerInputs
from models.experts.margins import MARGINS
from models.inputs.representation import REPRESENTATION
from models.tasks.base import Task

if TYPE_CHECKING:
    from components.training.rows import Columns, Rows, TrainingData
    from models.inputs.base import Feature
    from models.multitask.model import MultitaskModel

BATCH_ROWS = 256
TRAIN_ROWS = 10_000
"""Maximal number of training rows that are scored to measure the generalization gap."""
TIMED_CALLS = 30


@dataclass(frozen=True)
class TrialOutputs:
    result: TrialResult


@dataclass(frozen=True, kw_only=True)
class Trial(Stage[TrainerInputs, TrialOutputs]):
    """Trains as the Trainer does and measures as the Evaluator does, without exporting a model.

    drawn_by: the task whose classes `training.subset` keeps in proportion. The model need not have
        this task, so models of different tasks can learn from the same rows.
    key: columns of which equal values make rows a group: bootstrap samples are of groups.
    shuffled: tasks whose training and validation labels are permuted, as a control: nothing can be
        learned from them.
    experts: which the model has. They are fitted here, to the rows and labels of the trial.
    blind: the training sees no validation rows. They are measured all the same.
    """

    recipe: Recipe
    drawn_by: Task
    key: tuple[str, ...] = ()
    shuffled: tuple[str, ...] = ()
    experts: Wanted = ()
    blind: bool = False

    def uses(self, inputs: TrainerInputs) -> tuple[object, ...]:
        return self.recipe.trunk.made_of()

    def run(self, inputs: TrainerInputs, context: Context) -> TrialOutputs:
        """Train and measure, or resume from the last checkpoint of a trial that was killed.

        Raises:
            RootstockError: see `Trainer.run`.
        """
        from components.training import fit
        from components.training.rows import Rows
        from components.transform.batches import load_columns

        recipe = self.recipe
        features, data = self._data(inputs)
        resumed = any(context.scratch.glob("*.npz"))  # a checkpoint, of the training or of pairs
        peak = PeakMemory()
        began, cpu = time.perf_counter(), time.process_time()
        rows, experts = self._experts(inputs, features, data, context)
        if experts.experts:
            val = margins_of(experts, rows, "val") if data.val else None
            assert experts.out_of_fold is not None
            data = data.with_margins(experts.out_of_fold, val)
        record = recipe.record(features, data.targets, experts.experts, inputs.adapted)
        how = recipe.transfer, recipe.training, recipe.seed
        seen = replace(data, val=None, val_groups=None) if self.blind else data
        result = fit.train(record, seen, *how, context, recipe.last_word)
        epochs = sum(epoch["seconds"] for epoch in result.history)
        seconds = epochs if resumed else time.perf_counter() - began
        cpu_seconds = None if resumed else time.process_time() - cpu
        memory = peak.mib()
        raw: Columns = load_columns(inputs.batches, "test", features)
        test, computed = self._represented(raw, inputs, features)
        labels = encode_split(data.targets, inputs.examples, "test")
        if experts.experts:
            test = _with_margins(test, experts, rows, result.model, computed)
            raw = {**raw, MARGINS: test[MARGINS]}
        splits = {"train": data.train, "val": data.val, "test": Rows(test, labels)}
        scored = _scored(result.model, splits)
        costs = trial_result.Costs(
            rows=len(data.train),
            steps=int(sum(epoch["steps"] for epoch in result.history)),
            epochs=len(result.history),
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            parameters=int(result.model.count_params()),
            trainable_parameters=result.trainable_parameters,
            latency_ms=_latency(result.model, raw),
            memory_mib=memory,
        )
        groups = trial_result.groups_by_split(inputs.examples, self.key)
        targets = result.decided(data.targets)
        tasks = {t.name: trial_result.task_figures(t, scored[t.name], groups) for t in targets}
        history = tuple(result.history)
        figures = trial_result.TrialFigures(tasks=tasks, costs=costs, history=history)
        return TrialOutputs(trial_result.save_figures(figures, context.output / "result"))

    def _represented(
        self, test: Columns, inputs: TrainerInputs, features: tuple[Feature, ...]
    ) -> tuple[Columns, tuple[np.ndarray, ...]]:
        """Test rows as a model reads them, and what a frozen trunk computed of them before: its
        output and, if wanted, its blocks.
        """
        from components.transform import batches

        if inputs.test_embeddings is None:
            return test, ()
        kept = batches.stored_representation, batches.stored_blocks
        columns = [c for stored in kept if (c := stored(inputs.test_embeddings)) is not None]
        read = batches.load_columns(inputs.test_embeddings, "test", tuple(columns))
        computed = tuple(read[c.name] for c in columns)
        beside = {f.name: test[f.name] for f in self.recipe.trunk.beside_stored(features)}
        return {**beside, REPRESENTATION: computed[0]}, computed

    def _experts(
        self,
        inputs: TrainerInputs,
        features: tuple[Feature, ...],
        data: TrainingData,
        context: Context,
    ) -> tuple[ExpertRows, FittedExperts]:
        """The experts of the model, and where they find rows."""
        rows = ExpertRows(inputs.examples, features, inputs.batches, inputs.embeddings, self.key)
        if not self.experts:
            return rows, FittedExperts()
        labels, seed = data.train.labels, self.recipe.seed
        return rows, fit_experts(
            self.experts, rows, data.rows, data.targets, labels, seed, context.observer
        )

    def _data(self, inputs: TrainerInputs) -> tuple[tuple[Feature, ...], TrainingData]:
        """Features, and the rows to train on with the labels of the model's tasks."""
        from components.training.rows import load_training_data

        own, subset = self.recipe.tasks, self.recipe.training.subset
        drawn_by = next((t for t in own if t.name == self.drawn_by.name), self.drawn_by)
        tasks = (drawn_by, *(t for t in own if t.name != drawn_by.name))
        features, data = load_training_data(inputs, tasks, subset, self.recipe.trunk, self.key)
        by_name = {t.name: t for t in data.targets}
        targets = tuple(by_name[t.name] for t in own)
        val = data.val and self._labelled(data.val, 1)
        train = self._labelled(data.train, 0)
        return features, replace(data, targets=targets, train=train, val=val)

    def _labelled(self, rows: Rows, stream: int) -> Rows:
        """The rows with the labels of the model's tasks, permuted for tasks in `shuffled`."""
        labels = {t.name: rows.labels[t.name] for t in self.recipe.tasks}
        rng = np.random.default_rng([self.recipe.seed, stream])
        for name in self.shuffled:
            labels[name] = rng.permutation(labels[name])
        return replace(rows, labels=labels)


def _scored(
    model: MultitaskModel, splits: dict[str, Rows | None]
) -> dict[str, trial_result.Scored]:
    """Labels and answers by task and split, without splits that are None."""
    from models.lazy import tf

    answer = tf.function(model.answers, reduce_retracing=True, autograph=False)
    scored: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {
        head.target.name: {} for head in model.heads
    }
    for split, data in splits.items():
        if data is None:
            continue
        rows = np.arange(len(data))
        if split == "train" and len(rows) > TRAIN_ROWS:  # at random: sources follow each other
            rows = np.sort(np.random.default_rng(0).choice(rows, TRAIN_ROWS, replace=False))
        batches = [rows[i : i + BATCH_ROWS] for i in range(0, len(rows), BATCH_ROWS)]
        parts = [answer({n: tf.constant(v[b]) for n, v in data.features.items()}) for b in batches]
        for task in scored:
            answers = np.concatenate([part[task].numpy() for part in parts])
            scored[task][split] = data.labels[task][rows], answers
    return dict(scored)


def _with_margins(
    features: Columns,
    experts: FittedExperts,
    rows: ExpertRows,
    model: MultitaskModel,
    computed: tuple[np.ndarray, ...],
) -> Columns:
    """The features of the test rows, with what the experts say of them.

    computed: by a frozen trunk; empty if nothing was.
    """
    if not computed and any(e.reads_representation or e.reads_blocks for e in experts.experts):
        from models.lazy import tf
        from models.trunks.blocks import Blocks

        blocks = any(e.reads_blocks for e in experts.experts)
        encode = Blocks(model.trunk, rows.features) if blocks else lambda x: (model.encode(x),)
        encode = tf.function(encode, reduce_retracing=True, autograph=False)
        count = len(next(iter(features.values())))
        starts = [slice(i, i + BATCH_ROWS) for i in range(0, count, BATCH_ROWS)]
        batches = ({n: tf.constant(v[at]) for n, v in features.items()} for at in starts)
        parts = [[x.numpy() for x in encode(batch)] for batch in batches]
        computed = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
        features = {**features, REPRESENTATION: computed[0]}
    return {**features, MARGINS: margins_of(experts, rows, "test", *computed)}


def _latency(model: MultitaskModel, features: Columns) -> float:
    """Median time in milliseconds to answer one row, without the first call."""
    from models.lazy import tf

    answer = tf.function(model.answers, reduce_retracing=True, autograph=False)
    row = {name: tf.constant(values[:1]) for name, values in features.items()}
    answer(row)
    return 1000 * median(repeat(lambda: answer(row), number=1, repeat=TIMED_CALLS))
