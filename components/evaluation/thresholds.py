"""Thresholds: what a model must reach, in value or compared with the model served now."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from components.data.slices import Slice, columns_of
from components.errors import RootstockError
from components.evaluation.assessment import ALL, Assessment
from components.evaluation.intervals import Interval
from components.evaluation.metrics import family_of
from models.config import STRICT
from models.tasks.base import Task

Meets = Literal["measured", "certainly", "possibly"]
_MISSED = {"measured": "", "certainly": "possibly ", "possibly": "significantly "}


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Bounds that a task's metric must stay within.

    min, max: bounds of the metric's value. min_change, max_change: bounds of its change against the
        champion, the model served now (candidate minus champion, on the same rows). They are met if
        there is no champion, or if the champion does not have the task.
    slice: the rows: all of them by default; a slice by its name (`sex=Female & age=30..50`); or a
        pattern, such as `sex=*` or `*`, for every slice that has enough rows.
    meets: what must be within the bounds: the measured value, the whole confidence interval
        (`certainly`), or a part of it (`possibly`: only a significant miss counts).
    """

    __pydantic_config__ = STRICT
    task: str
    metric: str
    min: float | None = None
    max: float | None = None
    min_change: float | None = None
    max_change: float | None = None
    slice: str = ALL
    meets: Meets = "measured"

    @property
    def compares(self) -> bool:
        """Whether it has bounds on the change against the champion."""
        return self.min_change is not None or self.max_change is not None


@dataclass(frozen=True)
class Check:
    """One bound on one slice. value: None where undefined. message: the result as a sentence."""

    task: str
    metric: str
    slice: str
    kind: Literal["value", "change"]
    value: float | None
    interval: Interval | None
    min: float | None
    max: float | None
    met: bool
    message: str


def check_thresholds(
    tasks: Sequence[Task], thresholds: Sequence[Threshold], slices: Sequence[Slice] = ()
) -> None:
    """Refuse thresholds that no model can meet, before anything is trained.

    Raises:
        RootstockError: an unknown task, metric or slice, no bound, or an empty range.
    """
    kinds = {t.name: t.kind for t in tasks}
    for t in thresholds:
        where = f"thresholds: {t.task}.{t.metric}"
        if t.task not in kinds:
            raise RootstockError(f"{where}: no task {t.task!r}; expected one of {list(kinds)}.")
        family = family_of(kinds[t.task])
        if t.metric not in family.names:
            raise RootstockError(
                f"{where}: a {kinds[t.task]} task has no metric {t.metric!r}; expected one of"
                f" {', '.join(family.names)}."
            )
        if t.min is None and t.max is None and not t.compares:
            raise RootstockError(f"{where}: give `min`, `max`, `min_change` or `max_change`.")
        for low, high, name in ((t.min, t.max, ""), (t.min_change, t.max_change, "_change")):
            if low is not None and high is not None and low > high:
                raise RootstockError(f"{where}: min{name} {low:g} is above max{name} {high:g}.")
        if t.meets != "measured" and t.metric in family.without_interval:
            raise RootstockError(f"{where} has no confidence interval: leave `meets` out.")
        if t.slice != ALL and not slices:
            raise RootstockError(f"{where}: slice {t.slice!r}, but evaluation.slices is empty.")
        named = {part.partition("=")[0] for part in t.slice.split(" & ") if "=" in part}
        if unknown := sorted(n for n in named - set(columns_of(slices)) if "*" not in n):
            raise RootstockError(f"{where}: no slice is by column {unknown[0]!r}.")


def judge(
    thresholds: Sequence[Threshold],
    assessed: Mapping[str, Mapping[str, Assessment]],
    split: str,
    compared: Container[str],
) -> list[Check]:
    """Check every threshold on every slice that it names.

    assessed: by task, then by slice. compared: the tasks that the champion has too.
    """
    return [c for t in thresholds for c in _checks(t, assessed[t.task], split, t.task in compared)]


def _checks(
    t: Threshold, assessed: Mapping[str, Assessment], split: str, compared: bool
) -> Iterator[Check]:
    where = f"{split}: {t.task}.{t.metric}"
    names = [n for n in assessed if n == t.slice or (n != ALL and fnmatchcase(n, t.slice))]
    if not names:
        message = f"{where}: no slice {t.slice!r} has enough labelled rows"
        yield Check(t.task, t.metric, t.slice, "value", None, None, t.min, t.max, False, message)
    for name in names:
        metrics, change = assessed[name].metrics, assessed[name].changes.get(t.metric)
        here = f"{where} where {name}" if name != ALL else where
        if t.min is not None or t.max is not None:
            value, interval = metrics.values[t.metric], assessed[name].intervals.get(t.metric)
            reason = metrics.undefined.get(t.metric, "")
            low, high = t.min, t.max
            met, result = _held(value, interval, low, high, t.meets, reason)
            message = f"{here} {result}"
            yield Check(t.task, t.metric, name, "value", value, interval, low, high, met, message)
        if t.compares and compared:
            value, interval = (change.value, change.interval) if change else (None, None)
            low, high = t.min_change, t.max_change
            reason = "it is undefined for one of the two models, or their classes differ"
            met, result = _held(value, interval, low, high, t.meets, reason)
            message = f"{here}: its change against the champion {result}"
            yield Check(t.task, t.metric, name, "change", value, interval, low, high, met, message)


def _held(
    value: float | None,
    interval: Interval | None,
    low: float | None,
    high: float | None,
    meets: Meets,
    reason: str,
) -> tuple[bool, str]:
    """Whether a value is within bounds, and the result, to follow the value's name."""
    if value is None:
        return False, f"is undefined: {reason}"
    result = f"is {value:.6g}"
    least = greatest = value
    if meets != "measured":
        if interval is None:
            return False, f"{result}, without a confidence interval: too few rows or groups"
        result += f" [{interval.low:.6g}, {interval.high:.6g}]"
        least, greatest = interval.low, interval.high
    below, above = (least, greatest) if meets != "possibly" else (greatest, least)
    if low is not None and below < low:
        return False, f"{result}, {_MISSED[meets]}below the threshold {low:g}"
    if high is not None and above > high:
        return False, f"{result}, {_MISSED[meets]}above the threshold {high:g}"
    return True, f"{result}, within its bounds"
