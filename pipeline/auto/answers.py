"""Answers that can be used: probabilities that are right as often as they say, and the threshold
that the metric or the costs want. All candidates are trained so, unless the spec says otherwise.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from components.errors import RootstockError
from components.evaluation.metrics import family_of
from models.multitask.record import ModelRecord
from models.tasks.base import DECISION, Costs, Task, TaskTarget
from pipeline.auto.ranking import Metrics
from pipeline.spec.load import SpecSource
from pipeline.spec.yaml_file import read_yaml


def parse_cost(text: str) -> tuple[str, Costs]:
    """A task, empty for all that decide, and its costs, from text such as `fraud=1:20`.

    Raises:
        RootstockError: it is something else.
    """
    task, _, pair = text.rpartition("=")
    return task, costs_of(f"--cost {text}", *pair.split(":"))


def costs_of(where: str, *both: str | float) -> Costs:
    """Costs of a wrong yes and of a wrong no.

    Raises:
        RootstockError: they are not two numbers above 0. where: named in the message.
    """
    try:
        first, second = map(float, both)
        if not (0 < first < math.inf and 0 < second < math.inf):
            raise ValueError
    except ValueError:
        raise RootstockError(
            f"{where}: expected what a wrong yes and a wrong no cost, two numbers above 0, such as"
            " fraud=1:20."
        ) from None
    return Costs(false_positive=first, false_negative=second)


def answer_changes(
    source: SpecSource, metrics: Metrics, costs: Mapping[str, Costs]
) -> tuple[str, ...]:
    """Changes of the spec, as for `--set`. What a task states stays; costs win over it.

    costs: by task; "" is for all tasks that decide.

    Raises:
        RootstockError: a task with costs is unknown, or does not answer yes or no.
    """
    tasks = source.of_one_model().tasks
    deciding = [name for name, task in tasks.items() if family_of(task.kind).has_decision]
    if unknown := sorted({*costs} - {*deciding, ""}) or ([""] if costs and not deciding else []):
        raise RootstockError(
            f"--cost {unknown[0]}: expected a task that answers yes or no, or several of them:"
            f" {', '.join(deciding) or 'this spec has none'}."
        )
    written = read_yaml(source.path, source.overrides, source.variables).content["tasks"]
    changes = []
    for name, task in tasks.items():
        stated: Mapping[str, Any] = written[name]
        if _calibrates(task) and "calibration" not in stated:
            changes.append(f"tasks.{name}.calibration=auto")
        cost = costs.get(name, costs.get("")) if name in deciding else None
        metric = family_of(task.kind).decided_by.get(metrics.metrics[name])
        if cost is not None:
            both = {"false_positive": cost.false_positive, "false_negative": cost.false_negative}
            changes.append(f"tasks.{name}.decision={json.dumps(both)}")
        elif metric is not None and "decision" not in stated:
            changes.append(f"tasks.{name}.decision={metric}")
    return tuple(changes)


def _calibrates(task: Task) -> bool:
    return "calibration" in {f.name for f in fields(task)}


def sentences(record: ModelRecord, evaluation: Mapping[str, Any]) -> Iterator[str]:
    """What calibration and thresholds of the served model do, on rows that did not choose them.

    evaluation: `evaluation.json`, parsed.
    """
    where = f"{evaluation['split']} rows"
    for target in record.targets:
        figures = evaluation["tasks"][target.name]
        yield from _of_calibration(record, target, figures, where)
        yield from _of_decision(target, figures, where)


def _of_calibration(
    record: ModelRecord, target: TaskTarget, figures: Mapping[str, Any], where: str
) -> Iterator[str]:
    if target.task.calibrates_by == "none":
        return
    after, before = figures["values"], figures.get("uncalibrated", {}).get("values", {})
    names = [m for m in ("log_loss", "calibration_error", "brier") if after.get(m) is not None]
    calibration = record.calibrations.get(target.name)
    if calibration is None:
        shown = ", ".join(f"{m} {after[m]:.4f}" for m in names)
        yield (
            f"{target.name}: probabilities are not changed, because no calibration is clearly"
            " better on validation rows, or they are too few to tell"
            f"{f'; on {where} {shown}' if shown else ''}."
        )
        return
    changed = [f"{m} {before[m]:.4f} → {after[m]:.4f}" for m in names if before.get(m) is not None]
    on = f"; on {where} {', '.join(changed)}" if changed else ""
    yield f"{target.name}: calibrated by {calibration.described()}{on}."


def _of_decision(target: TaskTarget, figures: Mapping[str, Any], where: str) -> Iterator[str]:
    wanted, half = target.task.decides_by, figures.get("at_half")
    if not isinstance(wanted, str | Costs):
        return
    if half is None:
        what = "the costs want" if isinstance(wanted, Costs) else f"{wanted} wants"
        above = f"{target.name}: yes above {target.decision:.3g}"
        yield f"{above}: {what} no other threshold, or too few rows tell."
        return
    after, above = figures["values"], f"{target.name}: yes above {target.decision:.3g}"
    if isinstance(wanted, Costs):
        ours, others = (_cost(wanted, values, figures["support"]) for values in (after, half))
        if ours is None or others is None:
            yield f"{above}, which the costs ask for."
            return
        yield (
            f"{above}, which the costs ask for: {ours:.4g} per row of the {where}; above"
            f" {DECISION}, {others:.4g}."
        )
        return
    names = [m for m, by in family_of(target.task.kind).decided_by.items() if by == wanted]
    names = [m for m in names or [wanted] if after.get(m) is not None and half.get(m) is not None]
    changed = ", ".join(f"{m} {half[m]:.4f} → {after[m]:.4f}" for m in names)
    on = f"; on {where} {changed}" if names else ""
    yield f"{above} instead of {DECISION}, chosen for {wanted}{on}."


def _cost(costs: Costs, values: Mapping[str, Any], support: Mapping[str, Any]) -> float | None:
    """Of a row; None if it does not follow from these metrics."""
    recall, specificity = values.get("recall"), values.get("specificity")
    if recall is None or specificity is None or not {"positive", "negative"} <= support.keys():
        return None
    yes, no = support["positive"]["rows"], support["negative"]["rows"]
    missed, alarms = (1 - recall) * yes, (1 - specificity) * no
    wrong = costs.false_negative * missed + costs.false_positive * alarms
    return float(wrong / (yes + no))
