"""Which columns carry the answer: permutation importance of the served model.

A column's values are shuffled among the rows, and the metrics fall (Breiman 2001, "Random Forests",
section 10). Texts and images are shuffled as a whole, as are all inputs that read one column.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.artifacts import Examples, ExportedModel
from components.data.lazy import np
from components.data.raw import raw_inputs
from components.evaluation.groups import Groups
from components.evaluation.metrics import measure
from components.experiments.trial_result import resampled
from components.labels.encoding import encode_table
from models.description import read_description
from models.tasks.base import TaskTarget
from pipeline.auto.ranking import DEVIATIONS, Metrics
from serving.wire.names import DEFAULT_SIGNATURE

if TYPE_CHECKING:
    from serving.server.saved_model import SavedModel

MOST_ROWS, FEWEST_ROWS, BATCH_ROWS = 1000, 100, 256
SHOWN = 5
Raw = Mapping[str, "np.ndarray"]


@dataclass(frozen=True)
class Fall:
    """By how much a metric gets worse when a column is shuffled, with a 95 % interval."""

    column: str
    task: str
    metric: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Importance:
    """falls: of all columns that there was time for, and every task. skipped: the other columns.
    rows: of the split `split` that were used.
    """

    falls: Sequence[Fall]
    skipped: Sequence[str]
    rows: int
    split: str

    def sentences(self) -> list[str]:
        """One for each task, and one on what there was no time for."""
        said = []
        for task, metric in {f.task: f.metric for f in self.falls}.items():
            own = sorted((f for f in self.falls if f.task == task), key=lambda f: -f.value)
            sure, unsure = [f for f in own if f.low > 0], [f for f in own if f.low <= 0]
            best = [f"{f.column} {f.value:.3g} ({f.low:.3g} to {f.high:.3g})" for f in sure[:SHOWN]]
            more = f", and {len(sure) - SHOWN} more" if len(sure) > SHOWN else ""
            none = (
                f"; cannot be told from 0: {_named([f.column for f in unsure])}" if unsure else ""
            )
            said.append(
                f"{task}: columns that carry the answer, by how much worse {metric} gets when their"
                f" values are shuffled among {self.rows:,} {self.split} rows:"
                f" {', '.join(best) or 'none'}{more}{none}."
            )
        if self.skipped:
            said.append(f"There was no time to measure the columns {_named(self.skipped)}.")
        return said


def importance(
    model: ExportedModel,
    served: SavedModel,
    examples: Examples,
    key: Sequence[str],
    metrics: Metrics,
    seconds: float,
) -> Importance:
    """Shuffle one column after another, as long as there is time; none if a model is so slow that
    there is none for one.

    examples: the test rows are used, or validation rows without any. key: see `Groups`. seconds:
        for that. served: the loaded SavedModel of `model`.
    """
    description = read_description(model.path)
    features, split = description.features, "test" if examples.num_rows("test") else "val"
    columns = {f.column for f in features} | {t.task.label for t in description.targets} | {*key}
    count, rng = examples.num_rows(split), np.random.default_rng(0)
    chosen = np.sort(rng.permutation(count)[:MOST_ROWS])
    table = examples.read(split, sorted(columns)).take(chosen)

    def answers(raw: Raw) -> Mapping[str, np.ndarray]:
        rows = len(next(iter(raw.values())))
        parts = [
            served.predict(DEFAULT_SIGNATURE, {n: v[i : i + BATCH_ROWS] for n, v in raw.items()})
            for i in range(0, rows, BATCH_ROWS)
        ]
        return {task: np.concatenate([p[task] for p in parts]) for task in parts[0]}

    by_column: dict[str, list[str]] = {}
    for feature in features:
        by_column.setdefault(feature.column, []).append(feature.name)
    end = time.monotonic() + seconds
    few = raw_inputs(table.slice(0, FEWEST_ROWS), features)
    answers({name: values[:1] for name, values in few.items()})
    began = time.monotonic()
    answers(few)
    took, left = time.monotonic() - began, end - time.monotonic()
    if 2 * took > left:
        return Importance((), tuple(by_column), 0, split)
    each = took / len(few[features[0].name])
    affordable = int(left / 2 / each / (len(by_column) + 1))
    table = table.slice(0, max(FEWEST_ROWS, affordable))
    labels = {t.name: encode_table(t, table, len(table)) for t in description.targets}
    groups = Groups.by_key(table, key)

    def values(raw: Raw) -> dict[str, np.ndarray]:
        return _values(answers(raw), labels, description.targets, metrics, groups)

    raw = raw_inputs(table, features)
    falls, skipped = measured(values, raw, by_column, metrics, end)
    return Importance(falls, skipped, len(table), split)


def measured(
    values: Callable[[Raw], Mapping[str, np.ndarray]],
    raw: Raw,
    by_column: Mapping[str, Sequence[str]],
    metrics: Metrics,
    end: float,
) -> tuple[list[Fall], list[str]]:
    """The fall of each metric by shuffled column, and the columns that there was no time for.

    values: of the metrics by task, float64 [1 + samples], of raw inputs: on the rows, and on
        bootstrap samples of them. by_column: the inputs that read a column. end: as of
        `time.monotonic`; the first column is measured in any case.
    """
    rng, rows = np.random.default_rng(1), len(next(iter(raw.values())))
    base, falls, skipped = values(raw), list[Fall](), list[str]()
    for column, names in by_column.items():
        if falls and time.monotonic() > end:
            skipped.append(column)
            continue
        order = rng.permutation(rows)
        shuffled = values({**raw, **{name: raw[name][order] for name in names}})
        for task, metric in metrics.metrics.items():
            fall = metrics.signs[task] * (base[task] - shuffled[task])
            samples = fall[1:][np.isfinite(fall[1:])]
            if np.isfinite(fall[0]) and len(samples) > 1:
                half = DEVIATIONS * float(samples.std(ddof=1))
                value = float(fall[0])
                falls.append(Fall(column, task, metric, value, value - half, value + half))
    return falls, skipped


def _values(
    answers: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    targets: Sequence[TaskTarget],
    metrics: Metrics,
    groups: Groups,
) -> dict[str, np.ndarray]:
    found = {}
    for target in targets:
        name, metric = target.name, metrics.metrics[target.name]
        whole = measure(target, labels[name], answers[name]).values[metric]
        samples = resampled(target, labels[name], answers[name], groups)[metric]
        found[name] = np.array([whole, *samples], np.float64)
    return found


def _named(columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:SHOWN])
    return shown + (f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else "")
