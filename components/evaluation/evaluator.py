"""Evaluator: what the served model is worth on held-out examples, and whether that is enough."""

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
from models.inputs.base import Feature
from models.multitask.description import read_description
from models.tasks.base import Task, TaskTarget
from serving.wire.errors import ServingError

if TYPE_CHECKING:
    from serving.server.saved_model import SavedModel

_ANSWERS, _CHAMPION = "answers", "champion"


@dataclass(frozen=True)
class EvaluatorInputs:
    """model: judged as it will be served. examples: raw, with their labels. champion: what is
    served now, for thresholds on changes against it.
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
    """Answers the test split with the exported model and measures each task on its labelled rows.

    Where there is no test split it takes the validation split, and says so. A model whose answers
    are not finite numbers is not blessed, whatever the thresholds.

    min_slice_rows: slices with fewer labelled rows are left out. weight: a column of row weights.
    decisions: by task, above which probability the answer is yes (0.5 elsewhere).
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
        """See `Stage.run`."""
        check_slices(self.slices)
        check_thresholds(self.tasks, self.thresholds, self.slices)
        record = read_description(inputs.model.path)
        examples, split = inputs.examples, _held_out(inputs.examples, context.observer)
        names = tuple(t.name for t in record.targets)
        ask = _Ask(str(inputs.model.saved_model), record.features, names, self.batch_size)
        answers = _asked(_ANSWERS, ask, examples, split, context)
        champions: dict[str, np.ndarray] = {}
        classes: Mapping[str, tuple[str, ...]] = {}
        broken = [t for t in names if not np.isfinite(answers[t]).all()]
        reasons = [f"{split}: answers of task {t!r} are not all finite numbers" for t in broken]
        if inputs.champion is not None:
            try:
                ask = replace(ask, saved_model=str(inputs.champion.path))
                champions = _asked(_CHAMPION, ask, examples, split, context)
                classes = read_classes(inputs.champion.path)
            except RootstockError as e:
                reasons.append(f"The champion cannot be compared: {e}")
        slices = masks(self.slices, examples.read(split, columns_of(self.slices)))
        alike = {
            t.name: champions[t.name]
            for t in record.targets
            if t.name in champions
            and champions[t.name].shape == answers[t.name].shape
            and classes.get(t.name, t.classes) == t.classes
        }
        assessed = self._assessed(record.targets, examples, split, answers, alike, slices)
        for name, found in assessed.items():
            metrics = found[ALL].metrics
            main = family_of(metrics.kind).names[0]
            if (value := metrics.values[main]) is not None:
                context.observer.figure(f"{name}.{main}", value)
        checks = judge(self.thresholds, assessed, split, champions.keys())
        reasons += [check.said for check in checks if not check.met]
        report = {
            "split": split,
            "rows": examples.num_rows(split),
            "level": self.confidence.level,
            "champion": inputs.champion.digest if inputs.champion else None,
            "tasks": {name: _told(found[ALL]) for name, found in assessed.items()},
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
        """By task, then by slice. champions: answers to the same question, class by class."""
        weights, found = self._weights(examples, split), {}
        for target in targets:
            given = Answers(
                target,
                _labels(target, examples, split),
                answers[target.name],
                champions.get(target.name),
                weights,
                self.decisions.get(target.name, DECISION),
            )
            found[target.name] = assess(given, slices, self.min_slice_rows, self.confidence)
        return found

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
class _Ask:
    """Answers a shard of examples with a SavedModel."""

    saved_model: str
    features: tuple[Feature, ...]
    tasks: tuple[str, ...]
    batch_size: int

    def __call__(self, index: int, shard: Path) -> dict[str, np.ndarray]:
        """float32 [rows, width] by task; tasks that the model does not answer are left out."""
        from serving.server.saved_model import DEFAULT_SIGNATURE

        try:
            model = _loaded(self.saved_model)
            takes = model.signatures[DEFAULT_SIGNATURE].inputs.keys()
        except (ServingError, KeyError) as e:
            raise RootstockError(f"{self.saved_model} cannot be asked: {e}") from e
        parts: list[dict[str, np.ndarray]] = []
        columns = sorted({f.column for f in self.features})
        for batch in pq.ParquetFile(shard).iter_batches(self.batch_size, columns=columns):
            raw = raw_inputs(batch, self.features)
            try:
                given = {name: values for name, values in raw.items() if name in takes}
                parts.append(model.predict(DEFAULT_SIGNATURE, given))
            except ServingError as e:
                raise RootstockError(f"{self.saved_model} does not answer: {e}") from e
        return {t: np.concatenate([p[t] for p in parts]) for t in self.tasks if t in parts[0]}


@functools.lru_cache(maxsize=1)
def _loaded(saved_model: str) -> SavedModel:
    from serving.server.saved_model import SavedModel

    return SavedModel(Path(saved_model))


def _asked(
    name: str, ask: _Ask, examples: Examples, split: str, context: Context
) -> dict[str, np.ndarray]:
    """float32 [rows, width] by task: the SavedModel's answers to the raw rows of a split."""
    shards = [s for s in examples.shards(split) if pq.read_metadata(s).num_rows]
    rows = [pq.read_metadata(s).num_rows for s in shards]
    try:
        parts = map_units(name, shards, ask, context, rows)
    finally:
        _loaded.cache_clear()
    return {task: np.concatenate([p[task] for p in parts]) for task in parts[0]}


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


def _labels(target: TaskTarget, examples: Examples, split: str) -> np.ndarray:
    name = target.task.label
    there = name in pq.read_schema(examples.shards(split)[0]).names
    column = examples.read(split, [name]).column(name) if there else None
    return encode(target, column, examples.num_rows(split))


def _by_slice(
    assessed: Mapping[str, Mapping[str, Assessment]], slices: Mapping[str, np.ndarray]
) -> dict[str, object]:
    """Every slice with its rows; a task is left out where too few of them carry its label."""
    return {
        name: {
            "rows": int(rows.sum()),
            "tasks": {
                task: _told(found[name]) for task, found in assessed.items() if name in found
            },
        }
        for name, rows in slices.items()
    }


def _told(assessment: Assessment) -> dict[str, object]:
    told = asdict(assessment)
    return {**told.pop("metrics"), **told}


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
    told = [json.loads(json.dumps(document)) for document in (report, verdict)]
    (evaluation / "evaluation.html").write_text(page(*told), encoding="utf-8")
    return EvaluatorOutputs(Evaluation(evaluation), Blessing(blessing))


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False))
