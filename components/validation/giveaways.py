"""Columns that give a label away: such a column alone predicts it nearly perfectly.

Often it was written after the label was known, like the reason of a refund beside the label
"refunded". A model that reads it is excellent in the evaluation and useless afterwards.

Each column is judged on a sample of training rows, from one half of them to the other and back. So
a value that no other row has predicts nothing, and columns that identify rows are not named. The
cost is that of reading `SAMPLE_ROWS` rows from at most `GROUPS` row groups, without texts and
images, and some tables of counts per column and task: 0.3 s of CPU time for 40 columns, two tasks
and 100,000 rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.artifacts import Examples
from components.data.casting import is_number, numbers, texts
from components.data.lazy import np, pa, pq, stats
from components.inputs.base import kind_of
from components.labels.base import labels_of
from components.labels.encoding import encode, resolve
from components.validation.anomalies import Finding
from models.inputs.base import Input
from models.tasks.base import Task

SAMPLE_ROWS, GROUPS = 8192, 8
BINS, ROWS_PER_BIN = 64, 8
ALMOST_ALL = 0.98
"""Share of the mistakes (of the variance, for numbers) that a column which gives away avoids."""
LEAST_MISTAKES = 20
"""With fewer rows outside the most frequent class, or fewer labels, nothing is judged."""
Numbers = np.ndarray | None
"""float64 [rows], NaN for missing; None for a column of words."""


def giveaway_findings(
    inputs: Sequence[Input], tasks: Sequence[Task], examples: Examples
) -> Iterator[Finding]:
    """A warning for each input and task whose label the input's column gives away.

    The labels of train have no errors, and the inputs can read their columns.
    """
    read = {i.column: i for i in inputs if kind_of(i).described_as is None}
    labels = {t.label for t in tasks}
    columns = [column for column in read if column not in labels]
    if not columns:
        return
    rows = _sample(examples, list(dict.fromkeys([*columns, *labels])))
    first = np.random.default_rng(0).permutation(rows.num_rows) % 2 == 0
    probes = {t.name: _probes(t, rows) for t in tasks}
    for column in columns:
        cells, values = _cells(rows.column(column))
        if cells is None:
            continue
        for task in tasks:
            for probe in probes[task.name]:
                if probe.dtype.kind == "f":
                    score = _explained(cells, values, probe, first)
                    does = f"explains {score:.1%} of the variance of the labels' ranks"
                else:
                    score = _avoided(cells, values, probe, first)
                    does = f"avoids {score:.1%} of the mistakes of the most frequent class"
                if score >= ALMOST_ALL:
                    yield _finding(read[column], task, does)
                    break


def _finding(spec: Input, task: Task, does: str) -> Finding:
    sentence = (
        f"tasks.{task.name}: column {spec.column!r} (input {spec.name}) alone gives the label away:"
        f" on held-out rows of train it {does}. If its value is not known before the label is,"
        " remove the input."
    )
    return Finding(f"tasks.{task.name}", spec.column, "CUSTOM_VALIDATION", sentence, "WARNING")


def _sample(examples: Examples, columns: list[str]) -> pa.Table:
    """Rows of train, evenly spaced over its files."""
    places = [
        (file, group)
        for file in examples.shards("train")
        for group in range(pq.read_metadata(file).num_row_groups)
    ]
    chosen = np.unique(np.linspace(0, len(places) - 1, min(GROUPS, len(places))).astype(int))
    parts = []
    for place in chosen:
        file, group = places[place]
        with pq.ParquetFile(file) as opened:
            part = opened.read_row_group(group, columns=columns)
        most = SAMPLE_ROWS // len(chosen)
        step = max(part.num_rows / most, 1.0)
        parts.append(part.take(np.arange(0, part.num_rows, step).astype(np.int64)))
    return pa.concat_tables(parts)


def _probes(task: Task, rows: pa.Table) -> Sequence[np.ndarray]:
    """Class codes, -1 for missing, or numbers, NaN for missing."""
    column = rows.column(task.label)
    target = resolve(task, column)
    return labels_of(task).probes(encode(target, column, rows.num_rows))


def _cells(column: pa.ChunkedArray) -> tuple[np.ndarray | None, Numbers]:
    """int64 [rows]: the value, or the bin of the number, of each row, 0 for missing; and float64
    [rows]: the numbers, None for words. (None, None) for a column that identifies rows.
    """
    if not is_number(column.type):
        codes = texts(column).dictionary_encode().indices.fill_null(-1)
        return np.asarray(codes).astype(np.int64) + 1, None
    values = numbers(column)
    known = values[np.isfinite(values)]
    distinct = np.unique(known)
    if len(distinct) == len(known) and (known == np.floor(known)).all():
        return None, None  # whole numbers, and each row has its own
    edges = distinct
    if len(distinct) > min(BINS, len(known) // ROWS_PER_BIN):
        bins = int(np.clip(len(known) // (2 * ROWS_PER_BIN), 1, BINS))
        edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.where(np.isnan(values), 0, 1 + np.searchsorted(edges, values)), values


def _avoided(cells: np.ndarray, values: Numbers, codes: np.ndarray, first: np.ndarray) -> float:
    """Share of the mistakes of always answering the most frequent class that the column avoids: by
    the most frequent class of each cell or, if that is more, of the nearest number.
    """
    by_cell = by_nearest = expected = 0
    width, classes = int(cells.max()) + 1, int(codes.max()) + 1
    for half in (first, ~first):
        learned, judged = half & (codes >= 0), ~half & (codes >= 0)
        if not learned.any() or not judged.any():
            return 0.0
        counts = np.zeros((width, classes), np.int64)
        np.add.at(counts, (cells[learned], codes[learned]), 1)
        frequent = int(counts.sum(axis=0).argmax())
        answers = np.where(counts.any(axis=1), counts.argmax(axis=1), frequent)[cells[judged]]
        nearest = _nearest(values, codes, learned, judged, answers)
        by_cell += int((answers != codes[judged]).sum())
        by_nearest += int((nearest != codes[judged]).sum())
        expected += int((codes[judged] != frequent).sum())
    return 1 - min(by_cell, by_nearest) / expected if expected >= LEAST_MISTAKES else 0.0


def _nearest(
    values: Numbers,
    codes: np.ndarray,
    learned: np.ndarray,
    judged: np.ndarray,
    otherwise: np.ndarray,
) -> np.ndarray:
    """The most frequent class at the nearest number; the other answer where a number is missing."""
    if values is None or not (learned := learned & np.isfinite(values)).any():
        return otherwise
    x, index = np.unique(values[learned], return_inverse=True)
    counts = np.zeros((len(x), int(codes.max()) + 1), np.int64)
    np.add.at(counts, (index, codes[learned]), 1)
    at = values[judged]
    places = np.searchsorted((x[1:] + x[:-1]) / 2, at)
    return np.where(np.isfinite(at), counts.argmax(axis=1)[places], otherwise)


def _explained(cells: np.ndarray, values: Numbers, labels: np.ndarray, first: np.ndarray) -> float:
    """Share of the variance of the labels' ranks that the column explains: by the mean of each
    cell or, if that is more, by the line through its numbers.
    """
    known = np.isfinite(labels)
    if known.sum() < LEAST_MISTAKES:
        return 0.0
    ranks = np.zeros(len(labels))
    ranks[known] = stats.rankdata(labels[known])
    width = int(cells.max()) + 1
    by_cell = by_line = total = 0.0
    for half in (first, ~first):
        learned, judged = half & known, ~half & known
        if not learned.any() or not judged.any():
            return 0.0
        mean = ranks[learned].mean()
        rows = np.bincount(cells[learned], minlength=width)
        sums = np.bincount(cells[learned], ranks[learned], minlength=width)
        means = np.where(rows > 0, sums / np.maximum(rows, 1), mean)[cells[judged]]
        total += float(((ranks[judged] - mean) ** 2).sum())
        by_cell += float(((ranks[judged] - means) ** 2).sum())
        line = _line(values, ranks, learned, judged, means)
        by_line += float(((ranks[judged] - line) ** 2).sum())
    return 1 - min(by_cell, by_line) / total if total else 0.0


def _line(
    values: Numbers,
    ranks: np.ndarray,
    learned: np.ndarray,
    judged: np.ndarray,
    otherwise: np.ndarray,
) -> np.ndarray:
    """The ranks between those of the next smaller and larger number."""
    if values is None or not (learned := learned & np.isfinite(values)).any():
        return otherwise
    x, index = np.unique(values[learned], return_inverse=True)
    y = np.bincount(index, ranks[learned]) / np.bincount(index)
    at = values[judged]
    return np.where(np.isfinite(at), np.interp(at, x, y), otherwise)
