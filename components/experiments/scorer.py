"""Scorer: a trained model's answers to the validation rows, and how good they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median
from timeit import repeat

from pydantic import ConfigDict, TypeAdapter

from components.artifacts import Examples, Scores, TrainedModel
from components.data.lazy import np
from components.errors import RootstockError
from components.evaluation.groups import Groups
from components.evaluation.metrics import measure
from components.experiments.trial_result import Replicates, Values, groups_by_split, resampled
from components.labels.encoding import encode_split, labelled
from components.stage import Context, Stage
from models.tasks.base import TaskTarget
from serving.wire.names import UNCALIBRATED

BATCH_ROWS = 256
TIMED_CALLS = 30
FILE, ANSWERS = "scores.json", "answers.npz"


@dataclass(frozen=True)
class ScorerInputs:
    model: TrainedModel
    examples: Examples


@dataclass(frozen=True)
class ScorerOutputs:
    scores: Scores


@dataclass(frozen=True, kw_only=True)
class ScoreFigures:
    """How good a model, or an ensemble, is on validation rows.

    values: metrics by task. resampled: the same on bootstrap samples, which are of the same rows
        for all models on the same data, so that differences of models are paired.
    rows: validation rows with a label, of the task that has the fewest. parameters: of the model.
    latency_ms: median time to answer one raw row. size_mb: of the files of the trained model. A MB
        is 10^6 bytes.
    """

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="constants")
    values: Mapping[str, Values]
    resampled: Mapping[str, Replicates] = field(default_factory=dict)
    rows: int
    parameters: int
    latency_ms: float
    size_mb: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Scorer(Stage[ScorerInputs, ScorerOutputs]):
    """Measures on validation rows, as the Evaluator does on test rows.

    Validation rows chose the calibration of a model: here those that answer a row were fitted to
    the others, so that a method with many parameters is not taken for a better one.

    key: columns of which equal values make rows a group: bootstrap samples are of groups.
    """

    key: tuple[str, ...] = ()

    def uses(self, inputs: ScorerInputs) -> tuple[object, ...]:
        from models.multitask.build import specs_of

        return specs_of(inputs.model.path)

    def run(self, inputs: ScorerInputs, context: Context) -> ScorerOutputs:
        """Raises RootstockError if there are no validation rows."""
        from components.calibration.calibrating import out_of_fold_outputs
        from components.calibration.unseen import Unseen
        from components.data.raw import raw_inputs
        from components.export.keras_model import load_keras
        from models.lazy import tf

        examples = inputs.examples
        if not (rows := examples.num_rows("val")):
            raise RootstockError(
                "There are no validation rows to compare models on. Expected data.splits.val above"
                " 0, or a source with `split: val`."
            )
        served = load_keras(inputs.model)
        targets, features = served.record.targets, served.record.features
        raw = raw_inputs(examples.read("val"), features)
        answer = tf.function(served.details, reduce_retracing=True, autograph=False)
        parts = []
        for start in range(0, rows, BATCH_ROWS):
            batch = {n: tf.constant(v[start : start + BATCH_ROWS]) for n, v in raw.items()}
            parts.append({name: a.numpy() for name, a in answer(batch).items()})
            context.observer.progress(min(start + BATCH_ROWS, rows), rows, "rows")
        found = {n: np.concatenate([p[n] for p in parts]) for n in parts[0]}
        answers = {t.name: found[t.name] for t in targets}
        labels = encode_split(targets, examples, "val")
        groups = groups_by_split(examples, self.key)["val"]
        for head in served.model.heads:
            if (calibration := served.model.calibrations.get(name := head.target.name)) is not None:
                before = np.asarray(head.raw(found[name + UNCALIBRATED]))
                unseen = Unseen.of(labels[name], before, groups.codes)
                rows_of = unseen.answered(head.target)
                again = out_of_fold_outputs(type(calibration), rows_of, unseen.groups)
                answers[name][labelled(labels[name])] = head.answer(again.astype(np.float32))
        one = {n: tf.constant(v[:1]) for n, v in raw.items()}
        answer(one)
        seconds = repeat(lambda: answer(one), number=1, repeat=TIMED_CALLS)
        files = [p for p in inputs.model.path.rglob("*") if p.is_file()]
        size_mb = round(sum(p.stat().st_size for p in files) / 1e6, 3)
        costs = int(served.model.count_params()), 1000 * median(seconds), size_mb
        figures = score(targets, labels, answers, groups, *costs)
        scores = Scores(context.output / "scores")
        scores.path.mkdir()
        (scores.path / FILE).write_bytes(_adapter().dump_json(figures))
        np.savez(scores.path / ANSWERS, allow_pickle=False, **answers)
        return ScorerOutputs(scores)


def score(
    targets: Sequence[TaskTarget],
    labels: Mapping[str, np.ndarray],
    answers: Mapping[str, np.ndarray],
    groups: Groups,
    parameters: int,
    latency_ms: float,
    size_mb: float = 0.0,
) -> ScoreFigures:
    """The figures of answers to the validation rows.

    labels, answers: by task, encoded labels, and [rows, width]. groups: of the rows.
    """
    return ScoreFigures(
        values={t.name: measure(t, labels[t.name], answers[t.name]).values for t in targets},
        resampled={t.name: resampled(t, labels[t.name], answers[t.name], groups) for t in targets},
        rows=min(int(np.sum(labelled(labels[t.name]))) for t in targets),
        parameters=parameters,
        latency_ms=latency_ms,
        size_mb=size_mb,
    )


def load_answers(scores: Path) -> dict[str, np.ndarray]:
    """The answers in a `Scores` artifact, by task."""
    with np.load(scores / ANSWERS) as arrays:
        return dict(arrays)


def load_scores(scores: Scores) -> ScoreFigures:
    return _adapter().validate_json((scores.path / FILE).read_bytes())


@cache
def _adapter() -> TypeAdapter[ScoreFigures]:
    return TypeAdapter(ScoreFigures)
