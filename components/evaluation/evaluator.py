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
from components.data.casting import numbers
from components.data.lazy import np, pq
from components.data.raw import raw_inputs
from components.data.slices import Slice, check_slices, columns_of, masks
from components.errors import RootstockError
from components.evaluation.assessment import ALL, Answers, Assessment, assess
from components.evaluation.constant import constant_answer
from components.evaluation.coverage import covered
from components.evaluation.evaluation_page import page
from components.evaluation.groups import Groups
from components.evaluation.intervals import Confidence
from components.evaluation.metrics import family_of, measure
from components.evaluation.mistakes import Mistake, mistakes
from components.evaluation.thresholds import Threshold, check_thresholds, judge
from components.export.classes_file import read_classes
from components.export.portable.base import PortableFormat, Runtime
from components.export.portable_runtime import portable_runtime
from components.labels.encoding import encode_split, labelled
from components.stage import Context, Observer, Stage
from models.description import read_description
from models.inputs.base import Feature
from models.tasks.base import DECISION, REGIONS, Task, TaskTarget
from serving.wire.errors import ServingError
from serving.wire.names import DEFAULT_SIGNATURE, DETAILED, TO_FEATURES, UNCALIBRATED

if TYPE_CHECKING:
    from serving.server.saved_model import SavedModel

_ANSWERS, _CHAMPION = "answers", "champion"
CALIBRATED = ("log_loss", "calibration_error")
"""Metrics that calibration is to improve."""


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
    not all finite numbers is not blessed, whatever the thresholds, and neither is one with a task
    whose main metric could not be computed. Too few rows, positive rows or groups are a warning.

    min_slice_rows: slices with fewer labelled rows are left out. weight: a column of row weights.
    key: columns whose equal values make rows a group, as in the splits: intervals draw and count
        groups. Without it every row is independent.
    decisions: by task, the probability above which an answer counts as positive; that of the
        trained model by default.
    form: evaluate this portable file of the model, in its own runtime, and not the SavedModel.

    Of a calibrated task it also measures the probabilities before calibration, on all rows; of a
    task with `coverage`, how often its intervals or sets hold the label; of a task with a decision
    of its own, the metrics at 0.5 too.
    """

    tasks: tuple[Task, ...]
    thresholds: tuple[Threshold, ...] = ()
    slices: tuple[Slice, ...] = ()
    min_slice_rows: Annotated[int, Field(ge=1)] = 30
    confidence: Confidence = field(default_factory=Confidence)
    key: tuple[str, ...] = ()
    weight: str | None = None
    decisions: Mapping[str, float] = field(default_factory=dict)
    form: PortableFormat | None = None
    batch_size: Annotated[int, Field(ge=1)] = 256

    def run(self, inputs: EvaluatorInputs, context: Context) -> EvaluatorOutputs:
        check_slices(self.slices)
        check_thresholds(self.tasks, self.thresholds, self.slices)
        record = read_description(inputs.model.path)
        targets, champion = record.targets, inputs.champion
        examples, split = inputs.examples, _held_out(inputs.examples, context.observer)
        names = tuple(t.name for t in targets)
        served = _Predict(str(inputs.model.saved_model), record.features, names, self.batch_size)
        predict = replace(served, form=self.form)
        answers = _predicted(_ANSWERS, predict, examples, split, context)
        if self.form is not None:
            context.observer.figure("form", self.form.name)
        champions: dict[str, np.ndarray] = {}
        classes: Mapping[str, tuple[str, ...]] = {}
        broken = [t for t in names if not np.isfinite(answers[t]).all()]
        reasons = [f"{split}: answers of task {t!r} are not all finite numbers" for t in broken]
        if champion is not None:
            try:
                predict = replace(served, saved_model=str(champion.path))
                champions = _predicted(_CHAMPION, predict, examples, split, context)
                classes = read_classes(champion.path)
            except RootstockError as e:
                reasons.append(f"The champion cannot be compared: {e}")
        slices = masks(self.slices, examples.read(split, columns_of(self.slices)))
        labels, weights = encode_split(targets, examples, split), self._weights(examples, split)
        groups = Groups.by_key(examples.read(split, list(self.key)), self.key) if self.key else None
        if groups is not None and not groups.single:
            context.observer.figure("groups", groups.count)
        trained_on = _training_labels(targets, examples)
        assessed: dict[str, dict[str, Assessment]] = {}
        more: dict[str, dict[str, object]] = {}
        baselines: dict[str, Mapping[str, float | None]] = {}
        wrong: dict[str, list[Mistake]] = {}
        for target in targets:
            name, ours, theirs = target.name, answers[target.name], champions.get(target.name)
            same_classes = classes.get(name, target.classes) == target.classes
            if theirs is not None and not (theirs.shape == ours.shape and same_classes):
                theirs = None
            decision = self.decisions.get(name, target.decision)
            of_task = Answers(target, labels[name], ours, theirs, weights, decision, groups)
            assessed[name] = assess(of_task, slices, self.min_slice_rows, self.confidence)
            more[name] = {}
            if (before := answers.get(name + UNCALIBRATED)) is not None:
                raw = measure(target, labels[name], before, weights, decision)
                more[name]["uncalibrated"] = asdict(raw)
                for metric, value in assessed[name][ALL].metrics.values.items():
                    was = raw.values[metric]
                    if metric in CALIBRATED and value is not None and was is not None:
                        context.observer.figure(f"{name}.{metric}", value)
                        context.observer.figure(f"{name}.{metric} uncalibrated", was)
            if name not in self.decisions and decision != DECISION:
                half = measure(target, labels[name], ours, weights, DECISION)
                more[name]["at_half"] = half.values
            region = {r: answers[f"{name}.{r}"] for r in REGIONS if f"{name}.{r}" in answers}
            if region and (asked := target.task.covers) is not None:
                found = covered(asked, of_task, region, self.confidence.level)
                more[name]["coverage"] = found and asdict(found)
                if found is not None:
                    context.observer.figure(f"{name}.coverage", found.share)
                    context.observer.figure(f"{name}.mean_size", found.mean_size)
            main = family_of(target.task.kind).names[0]
            if name in trained_on:
                constant = constant_answer(target, trained_on[name], main)
                same = np.tile(constant, (len(labels[name]), 1))
                baselines[name] = measure(target, labels[name], same, weights, decision).values
            if name not in broken:
                wrong[name] = mistakes(target, labels[name], ours, decision)
            if (value := assessed[name][ALL].metrics.values[main]) is not None:
                context.observer.figure(f"{name}.{main}", value)
            elif name not in broken:
                why = assessed[name][ALL].metrics.undefined[main]
                reasons.append(
                    f"{split}: {name}.{main} could not be measured: {why}."
                    " Give the split more rows, or see data.splits.stratify"
                )
        warnings = [
            f"{split}: {name} is measured on {shortage}: its metrics are very uncertain"
            for name, slices_of in assessed.items()
            for shortage in slices_of[ALL].shortages
        ]
        for warning in warnings:
            context.observer.warn(warning)
        checks = judge(self.thresholds, assessed, split, champions.keys())
        reasons += [check.message for check in checks if not check.met]
        if self.form is not None:
            reasons = [f"{self.form.name}: {reason}" for reason in reasons]
        verdict = {
            "judge": "Evaluator",
            "blessed": not reasons,
            "reasons": reasons,
            "warnings": warnings,
            "checks": [asdict(check) for check in checks],
        }
        report = {
            "split": split,
            "rows": examples.num_rows(split),
            "groups": None if groups is None or groups.single else groups.count,
            "key": list(self.key),
            "level": self.confidence.level,
            "champion": champion.digest if champion else None,
            "tasks": {n: {**d, **more[n]} for n, d in _documents(assessed, ALL).items()},
            "baselines": baselines,
            "mistakes": {task: [asdict(m) for m in rows] for task, rows in wrong.items()},
            "slices": {
                name: {"rows": int(rows.sum()), "tasks": _documents(assessed, name)}
                for name, rows in slices.items()
            },
        }
        return _written(report, verdict, context.output)

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
    """Predicts a shard of examples with a SavedModel, or with a portable file in it."""

    saved_model: str
    features: tuple[Feature, ...]
    tasks: tuple[str, ...]
    batch_size: int
    form: PortableFormat | None = None

    def __call__(self, index: int, shard: Path) -> dict[str, np.ndarray]:
        """[rows, width] by task, and by <task>.<what> for what else is measured; tasks that the
        model lacks are left out.
        """
        details = (UNCALIBRATED, *(f".{region}" for region in REGIONS))
        wanted = [task + suffix for task in self.tasks for suffix in ("", *details)]
        try:
            model = _loaded(self.saved_model)
            portable = None if self.form is None else _portable(self.form, self.saved_model)
            signature = DETAILED if DETAILED in model.signatures else DEFAULT_SIGNATURE
            signature = signature if portable is None else TO_FEATURES
            accepted = model.signatures[signature].inputs.keys()
        except (ServingError, KeyError) as e:
            raise RootstockError(f"{self.saved_model} cannot be loaded for predictions: {e}") from e
        parts = []
        columns = sorted({f.column for f in self.features})
        for batch in pq.ParquetFile(shard).iter_batches(self.batch_size, columns=columns):
            raw = raw_inputs(batch, self.features)
            try:
                payload = {name: values for name, values in raw.items() if name in accepted}
                answers = model.predict(signature, payload)
                parts.append(answers if portable is None else portable(answers))
            except ServingError as e:
                raise RootstockError(f"{self.saved_model} cannot predict: {e}") from e
        return {n: np.concatenate([p[n] for p in parts]) for n in wanted if n in parts[0]}


@functools.lru_cache(maxsize=1)
def _loaded(saved_model: str) -> SavedModel:
    from serving.server.saved_model import SavedModel

    return SavedModel(Path(saved_model))


@functools.lru_cache(maxsize=1)
def _portable(form: PortableFormat, saved_model: str) -> Runtime:
    return portable_runtime(form, Path(saved_model))


def _predicted(
    name: str, predict: _Predict, examples: Examples, split: str, context: Context
) -> dict[str, np.ndarray]:
    """[rows, width] by output: the SavedModel's answers for the raw rows of a split."""
    shards = [s for s in examples.shards(split) if pq.read_metadata(s).num_rows]
    rows = [pq.read_metadata(s).num_rows for s in shards]
    try:
        parts = map_units(name, shards, predict, context, rows)
    finally:
        _loaded.cache_clear()
        _portable.cache_clear()
    return {task: np.concatenate([p[task] for p in parts]) for task in parts[0]}


def _training_labels(targets: Sequence[TaskTarget], examples: Examples) -> dict[str, np.ndarray]:
    """Encoded labels of the training split by task, of the tasks that have some there."""
    if not examples.num_rows("train"):
        return {}
    encoded = encode_split(targets, examples, "train")
    return {task: labels for task, labels in encoded.items() if labelled(labels).any()}


def _held_out(examples: Examples, observer: Observer) -> str:
    if examples.num_rows("test"):
        return "test"
    if examples.num_rows("val"):
        observer.warn(
            "there is no test split: metrics are measured on split 'val', which was used during"
            " training"
        )
        return "val"
    raise RootstockError(
        "no examples to evaluate on: neither the test nor the val split has a row. Give one of"
        " them a share under data.splits."
    )


def _documents(
    assessed: Mapping[str, Mapping[str, Assessment]], name: str
) -> dict[str, dict[str, object]]:
    """A slice's assessments by task, without the tasks that have too few labelled rows in it."""
    fields = {task: asdict(slices[name]) for task, slices in assessed.items() if name in slices}
    return {task: {**f.pop("metrics"), **f} for task, f in fields.items()}


def _written(
    report: Mapping[str, object], verdict: Mapping[str, object], output: Path
) -> EvaluatorOutputs:
    parsed = []
    for name, content in (("evaluation", report), ("blessing", verdict)):
        text = json.dumps(content, indent=1, allow_nan=False)
        (output / name).mkdir()
        (output / name / f"{name}.json").write_text(text)
        parsed.append(json.loads(text))
    (output / "evaluation" / "evaluation.html").write_text(page(*parsed), encoding="utf-8")
    return EvaluatorOutputs(Evaluation(output / "evaluation"), Blessing(output / "blessing"))
