"""Evaluator: metrics of the exported model on held-out examples, checked against thresholds."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from components.artifacts import Blessing, Champion, Evaluation, Examples, ExportedModel
from components.beam.map_units import map_units
from components.data.arrow import np, pq
from components.data.casting import numbers
from components.data.raw import raw_inputs
from components.data.slices import Slice, check_slices, columns_of, masks
from components.errors import RootstockError
from components.evaluation.assessment import ALL, Answers, Assessment, assess
from components.evaluation.evaluation_page import page
from components.evaluation.intervals import Confidence
from components.evaluation.metrics import DECISION, family_of
from components.evaluation.thresholds import Check, Threshold, check_thresholds, judge
from components.export.classes_file import read_classes
from components.labels.encoding import encode
from components.stage import Context, Observer, Stage
from models.description import read_description
from models.inputs.base import Feature
from models.tasks.base import Task, TaskTarget
from serving.wire.errors import ServingError
from serving.wire.names import DEFAULT_SIGNATURE

if TYPE_CHECKING:
    from serving.server.saved_model import SavedModel

_ANSWERS, _CHAMPION = "answers", "champion"


@dataclass(frozen=True)
class EvaluatorInputs:
    """model: evaluated as it will be served. examples: raw, with their labels. champion: the model
    served now, for thresholds on changes.
    """

    model: ExportedModel
    examples: Examples
    champion: Champion | None = None


@dataclass(frozen=True)
class EvaluatorOutputs:
    """evaluation: the metrics. blessing: whether every threshold is met."""

    evaluation: Evaluation
    blessing: Blessing


@dataclass(frozen=True, kw_only=True)
class Evaluator(Stage[EvaluatorInputs, EvaluatorOutputs]):
    """Predicts the test split with the exported model and measures each task on its labelled rows.

    Without a test split it uses the validation split, with a warning. A model whose answers are
    not all finite numbers is not blessed, whatever the thresholds.

    min_slice_rows: slices with fewer labelled rows are left out. weight: a column of row weights.
    decisions: by task, the probability above which an answer counts as positive (default 0.5).
    """

    tasks: tuple[Task, ...]
    thresholds: tuple[Threshold, ...] = ()
    slices: tuple[Slice, ...] = ()
    min_slice_rows: Annotated[int, Field(ge=1)] = 30
    confidence: Confidence = field(default_factory=Confidence)
    weight: str | None = None
    decisions: Mapping[str, float] = field(default_factory=dict)
    batch_size: Annotated[int, Field(ge=1)] = 256

    def run(self, inputs: EvaluatorInputs, context: Context) -> EvaluatorOutputs:
        check_slices(self.slices)
        check_thresholds(self.tasks, self.thresholds, self.slices)
        record = read_description(inputs.model.path)
        examples, split = inputs.examples, _held_out(inputs.examples, context.observer)
        names = tuple(t.name for t in record.targets)
        predict = _Predict(str(inputs.model.saved_model), record.features, names, self.batch_size)
        answers = _predicted(_ANSWERS, predict, examples, split, context)
        champions: dict[str, np.ndarray] = {}
        classes: Mapping[str, tuple[str, ...]] = {}
        broken = [t for t in names if not np.isfinite(answers[t]).all()]
        reasons = [f"{split}: answers of task {t!r} are not all finite numbers" for t in broken]
        if inputs.champion is not None:
            try:
                predict = replace(predict, saved_model=str(inputs.champion.path))
                champions = _predicted(_CHAMPION, predict, examples, split, context)
                classes = read_classes(inputs.champion.path)
            except RootstockError as e:
                reasons.append(f"The champion cannot be compared: {e}")
        slices = masks(self.slices, examples.read(split, columns_of(self.slices)))
        comparable = {
            t.name: champions[t.name]
            for t in record.targets
            if t.name in champions
            and champions[t.name].shape == answers[t.name].shape
            and classes.get(t.name, t.classes) == t.classes
        }
        assessed = self._assessed(record.targets, examples, split, answers, comparable, slices)
        for name, by_slice in assessed.items():
            metrics = by_slice[ALL].metrics
            main = family_of(metrics.kind).names[0]
            if (value := metrics.values[main]) is not None:
                context.observer.figure(f"{name}.{main}", value)
        checks = judge(self.thresholds, assessed, split, champions.keys())
        reasons += [check.message for check in checks if not check.met]
        report = {
            "split": split,
            "rows": examples.num_rows(split),
            "level": self.confidence.level,
            "champion": inputs.champion.digest if inputs.champion else None,
            "tasks": {name: _document(by_slice[ALL]) for name, by_slice in assessed.items()},
            "slices": _by_slice(assessed, slices),
        }
        return _written(report, checks, reasons, context.output)

    def _assessed(
        self,
        targets: Sequence[TaskTarget],
        examples: Examples,
        split: str,
        answers: Mapping[str, np.ndarray],
        champions: Mapping[str, np.ndarray],
        slices: Mapping[str, np.ndarray],
    ) -> dict[str, dict[str, Assessment]]:
        """Assessments by task, then by slice. champions: answers for the same classes."""
        weights, assessed = self._weights(examples, split), {}
        for target in targets:
            task_answers = Answers(
                target,
                _labels(target, examples, split),
                answers[target.name],
                champions.get(target.name),
                weights,
                self.decisions.get(target.name, DECISION),
            )
            assessed[target.name] = assess(
                task_answers, slices, self.min_slice_rows, self.confidence
            )
        return assessed

    def _weights(self, examples: Examples, split: str) -> np.ndarray | None:
        if self.weight is None:
            return None
        if self.weight not in pq.read_schema(examples.shards(split)[0]).names:
            raise RootstockError(f"evaluation.weight: no column {self.weight!r} in the examples.")
        weights = numbers(examples.read(split, [self.weight]).column(self.weight))
        if not (np.isfinite(weights) & (weights >= 0)).all():
            raise RootstockError(
                f"evaluation.weight: expected column {self.weight!r} to hold numbers of 0 or more."
                f" Received {weights.min():g} to {weights.max():g}, or missing values."
            )
        return weights


@dataclass(frozen=True)
class _Predict:
    """Predicts a shard of examples with a SavedModel."""

    saved_model: str
    features: tuple[Feature, ...]
    tasks: tuple[str, ...]
    batch_size: int

    def __call__(self, index: int, shard: Path) -> dict[str, np.ndarray]:
        """float32 [rows, width] by task; tasks that the model lacks are left out."""
        try:
            model = _loaded(self.saved_model)
            accepted = model.signatures[DEFAULT_SIGNATURE].inputs.keys()
        except (ServingError, KeyError) as e:
            raise RootstockError(f"{self.saved_model} cannot be loaded for predictions: {e}") from e
        parts: list[dict[str, np.ndarray]] = []
        columns = sorted({f.column for f in self.features})
        for batch in pq.ParquetFile(shard).iter_batches(self.batch_size, columns=columns):
            raw = raw_inputs(batch, self.features)
            try:
                payload = {name: values for name, values in raw.items() if name in accepted}
                parts.append(model.predict(DEFAULT_SIGNATURE, payload))
            except ServingError as e:
                raise RootstockError(f"{self.saved_model} cannot predict: {e}") from e
        return {t: np.concatenate([p[t] for p in parts]) for t in self.tasks if t in parts[0]}


@functools.lru_cache(maxsize=1)
def _loaded(saved_model: str) -> SavedModel:
    from serving.server.saved_model import SavedModel

    return SavedModel(Path(saved_model))


def _predicted(
    name: str, predict: _Predict, examples: Examples, split: str, context: Context
) -> dict[str, np.ndarray]:
    """float32 [rows, width] by task: the SavedModel's answers for the raw rows of a split."""
    shards = [s for s in examples.shards(split) if pq.read_metadata(s).num_rows]
    rows = [pq.read_metadata(s).num_rows for s in shards]
    try:
        parts = map_units(name, shards, predict, context, rows)
    finally:
        _loaded.cache_clear()
    return {task: np.concatenate([p[task] for p in parts]) for task in parts[0]}


def _held_out(examples: Examples, observer: Observer) -> str:
    splits = examples.splits()
    for split in ("test", "val"):
        if split in splits and examples.num_rows(split):
            if split != "test":
                observer.warn(
                    f"there is no test split: metrics are measured on split {split!r}, which was"
                    " used during training"
                )
            return split
    raise RootstockError(
        "no examples to evaluate on: neither the test nor the val split has a row. Give one of"
        " them a share under data.splits."
    )


def _labels(target: TaskTarget, examples: Examples, split: str) -> np.ndarray:
    name = target.task.label
    exists = name in pq.read_schema(examples.shards(split)[0]).names
    column = examples.read(split, [name]).column(name) if exists else None
    return encode(target, column, examples.num_rows(split))


def _by_slice(
    assessed: Mapping[str, Mapping[str, Assessment]], slices: Mapping[str, np.ndarray]
) -> dict[str, object]:
    """Every slice with its row count; tasks with too few labelled rows in a slice are left out."""
    return {
        name: {
            "rows": int(rows.sum()),
            "tasks": {
                task: _document(slices_of[name])
                for task, slices_of in assessed.items()
                if name in slices_of
            },
        }
        for name, rows in slices.items()
    }


def _document(assessment: Assessment) -> dict[str, object]:
    fields = asdict(assessment)
    return {**fields.pop("metrics"), **fields}


def _written(
    report: Mapping[str, object], checks: Sequence[Check], reasons: Sequence[str], output: Path
) -> EvaluatorOutputs:
    verdict = {
        "judge": "Evaluator",
        "blessed": not reasons,
        "reasons": reasons,
        "checks": [asdict(check) for check in checks],
    }
    evaluation, blessing = output / "evaluation", output / "blessing"
    evaluation.mkdir()
    blessing.mkdir()
    _write(evaluation / "evaluation.json", report)
    _write(blessing / "blessing.json", verdict)
    parsed = [json.loads(json.dumps(document)) for document in (report, verdict)]
    (evaluation / "evaluation.html").write_text(page(*parsed), encoding="utf-8")
    return EvaluatorOutputs(Evaluation(evaluation), Blessing(blessing))


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False))
