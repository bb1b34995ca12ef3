"""Evaluator: what the served model is worth on held-out examples, and whether that is enough."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from components.arrow import np, pq
from components.artifacts import Blessing, Evaluation, Examples, TrainedModel
from components.labels import encode
from components.metrics import METRICS, TaskMetrics, measure
from components.raw import raw_inputs
from components.stage import Context, Observer, RootstockError, Stage
from components.trained_model import ModelRecord, load_record
from models.features import Feature
from models.inputs import STRICT
from models.task import Task, TaskTarget


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """What a task's metric must reach: at least `min`, at most `max`."""

    __pydantic_config__ = STRICT
    task: str
    metric: str
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class EvaluatorInputs:
    """model: judged as it will be served. examples: raw, with their labels."""

    model: TrainedModel
    examples: Examples


@dataclass(frozen=True)
class EvaluatorOutputs:
    """evaluation: the metrics. blessing: whether every threshold is met."""

    evaluation: Evaluation
    blessing: Blessing


@dataclass(frozen=True, kw_only=True)
class Evaluator(Stage[EvaluatorInputs, EvaluatorOutputs]):
    """Answers the test split with the exported model and measures each task on its labelled rows.

    Where there is no test split it takes the validation split, and says so. A model whose answers
    are not finite numbers is not blessed, whatever the thresholds.
    """

    tasks: tuple[Task, ...]
    thresholds: tuple[Threshold, ...] = ()
    batch_size: Annotated[int, Field(ge=1)] = 256

    def run(self, inputs: EvaluatorInputs, context: Context) -> EvaluatorOutputs:
        """See `Stage.run`."""
        check_thresholds(self.tasks, self.thresholds)
        record = load_record(inputs.model)
        examples, split = inputs.examples, _held_out(inputs.examples, context.observer)
        answers = _answers(inputs.model, record, examples, split, self.batch_size, context.observer)
        measured = tuple(
            measure(t, _labels(t, examples, split), answers[t.name]) for t in record.targets
        )
        for m in measured:
            if (value := m.values[METRICS[m.kind][0]]) is not None:
                context.observer.figure(f"{m.task}.{METRICS[m.kind][0]}", value)
        broken = [t.name for t in record.targets if not np.isfinite(answers[t.name]).all()]
        reasons = [f"{split}: answers of task {t!r} are not all finite numbers" for t in broken]
        reasons += _misses(self.thresholds, measured, split)

        context.output.joinpath("evaluation").mkdir()
        context.output.joinpath("blessing").mkdir()
        report = {
            "split": split,
            "rows": examples.num_rows(split),
            "tasks": {m.task: asdict(m) for m in measured},
        }
        _write(context.output / "evaluation" / "evaluation.json", report)
        verdict = {"judge": "Evaluator", "blessed": not reasons, "reasons": reasons}
        _write(context.output / "blessing" / "blessing.json", verdict)
        return EvaluatorOutputs(
            Evaluation(context.output / "evaluation"), Blessing(context.output / "blessing")
        )


def check_thresholds(tasks: Sequence[Task], thresholds: Sequence[Threshold]) -> None:
    """Refuse thresholds that nothing can meet, before anything is trained.

    Raises:
        RootstockError: a task or metric that is not there, or no bound or an empty range.
    """
    kinds = {t.name: t.kind for t in tasks}
    for t in thresholds:
        where = f"thresholds: {t.task}.{t.metric}"
        if t.task not in kinds:
            raise RootstockError(f"{where}: no task {t.task!r}; expected one of {list(kinds)}.")
        known = METRICS[kinds[t.task]]
        if t.metric not in known:
            raise RootstockError(
                f"{where}: a {kinds[t.task]} task has no metric {t.metric!r}; expected one of"
                f" {', '.join(known)}."
            )
        if t.min is None and t.max is None:
            raise RootstockError(f"{where}: give `min`, `max` or both.")
        if t.min is not None and t.max is not None and t.min > t.max:
            raise RootstockError(f"{where}: min {t.min:g} is above max {t.max:g}.")


def _held_out(examples: Examples, observer: Observer) -> str:
    splits = examples.splits()
    for split in ("test", "val"):
        if split in splits and examples.num_rows(split):
            if split != "test":
                observer.warn(
                    f"there is no test split: measured on {split!r}, which tuned training"
                )
            return split
    raise RootstockError(
        "no examples to evaluate on: neither the test nor the val split has a row. Give one of"
        " them a share under data.splits."
    )


def _answers(
    model: TrainedModel,
    record: ModelRecord,
    examples: Examples,
    split: str,
    batch_size: int,
    observer: Observer,
) -> dict[str, np.ndarray]:
    """float32 [rows, width] by task: the SavedModel's answers to raw rows."""
    from serving.server.saved_model import DEFAULT_SIGNATURE, SavedModel

    served = SavedModel(model.saved_model)
    total, done = examples.num_rows(split), 0
    found: dict[str, list[np.ndarray]] = {t.name: [] for t in record.targets}
    for raw in _raw_batches(examples, split, record.features, batch_size):
        outputs = served.predict(DEFAULT_SIGNATURE, raw)
        for name, parts in found.items():
            parts.append(outputs[name])
        done += len(next(iter(raw.values())))
        observer.progress(done, total, "rows")
    served.close()
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _raw_batches(
    examples: Examples, split: str, features: Sequence[Feature], size: int
) -> Iterator[dict[str, np.ndarray]]:
    columns = sorted({f.column for f in features})
    for shard in examples.shards(split):
        for batch in pq.ParquetFile(shard).iter_batches(size, columns=columns):
            yield raw_inputs(batch, features)


def _labels(target: TaskTarget, examples: Examples, split: str) -> np.ndarray:
    name = target.task.label
    there = name in pq.read_schema(examples.shards(split)[0]).names
    column = examples.read(split, [name]).column(name) if there else None
    return encode(target, column, examples.num_rows(split))


def _misses(
    thresholds: Sequence[Threshold], measured: Sequence[TaskMetrics], split: str
) -> list[str]:
    """One sentence for each threshold that is not met."""
    by_task = {m.task: m for m in measured}
    misses = []
    for t in thresholds:
        value = by_task[t.task].values[t.metric]
        where = f"{split}: {t.task}.{t.metric}"
        if value is None:
            misses.append(f"{where} is undefined: {by_task[t.task].undefined[t.metric]}")
        elif t.min is not None and value < t.min:
            misses.append(f"{where} is {value:.6g}, below the threshold {t.min:g}")
        elif t.max is not None and value > t.max:
            misses.append(f"{where} is {value:.6g}, above the threshold {t.max:g}")
    return misses


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False))
