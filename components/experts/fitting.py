"""Fits the experts of a model, for the stage `Experts` and for the trials of a study."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from components.artifacts import Batches, Examples
from components.data.lazy import np
from components.data.raw import raw_inputs
from components.data.row_keys import group_codes
from components.errors import RootstockError
from components.experts.base import ExpertKind, FitRows, Fitted
from components.experts.out_of_fold import FOLDS, assigned_folds
from components.labels.base import Objective, labels_of
from components.stage import Observer
from components.transform.batches import load_columns, stored_blocks, stored_representation
from models.discovery import methods, part
from models.experts.base import Expert
from models.inputs.base import Computed, Feature
from models.lazy import tf
from models.tasks.base import TaskTarget

FEWEST_ROWS = 10
"""Two for each fold. Margins of 14 messages rank unseen ones better than a network that was trained
on them from scratch."""
MANY_ROWS = 5000
"""With fewer rows, a second thread costs more than it saves."""
BATCH_ROWS = 512
Wanted = Literal["auto"] | tuple[str, ...]


@dataclass(frozen=True)
class ExpertRows:
    """Where the rows are.

    batches: the preprocessed features of `examples`. embeddings: what a frozen trunk computes of
    each row of train and val; None if the trunk trains.
    key: columns of which equal values make rows a group.
    """

    examples: Examples
    features: tuple[Feature, ...]
    batches: Batches
    embeddings: Batches | None = None
    key: tuple[str, ...] = ()

    @property
    def read(self) -> tuple[Feature, ...]:
        """The features that experts may read: all but pictures."""
        return tuple(f for f in self.features if f.raw != "bytes")

    def raw(self, split: str, rows: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Raw values by feature: see `components.data.raw`."""
        columns = list(dict.fromkeys(f.column for f in self.read))
        table = self.examples.read(split, columns)
        return raw_inputs(table if rows is None else table.take(rows), self.read)

    def preprocessed(self, split: str, rows: np.ndarray | slice) -> dict[str, np.ndarray]:
        """Preprocessed values by feature."""
        columns = load_columns(self.batches, split, self.read)
        return {name: values[rows] for name, values in columns.items()}

    def representation(self, split: str, rows: np.ndarray | slice) -> np.ndarray | None:
        """Float32 [rows, width]; None if the trunk trains, or has not seen this split."""
        return self._embedded(split, rows, stored_representation)

    def blocks(self, split: str, rows: np.ndarray | slice) -> np.ndarray | None:
        """As `representation`, of the blocks; None also where they are not wanted."""
        return self._embedded(split, rows, stored_blocks)

    def _embedded(
        self, split: str, rows: np.ndarray | slice, stored: Callable[[Batches], Computed | None]
    ) -> np.ndarray | None:
        if self.embeddings is None or not (self.embeddings.path / split).is_dir():
            return None
        column = stored(self.embeddings)
        if column is None:
            return None
        return load_columns(self.embeddings, split, (column,))[column.name][rows]

    def groups(self, rows: np.ndarray) -> np.ndarray:
        """int64 [rows]: the group of each training row. Without a key every row is one."""
        if not self.key:
            return np.arange(len(rows))
        return group_codes(self.examples.read("train", list(self.key)).take(rows), self.key)


@dataclass(frozen=True)
class FittedExperts:
    """The experts of a model, with the margins of its training rows out of fold."""

    experts: tuple[Expert, ...] = ()
    arrays: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    out_of_fold: np.ndarray | None = None
    figures: Mapping[str, float | int | str] = field(default_factory=dict)


def expert_kinds() -> tuple[str, ...]:
    """The names of all kinds of experts."""
    return tuple(methods("models.experts", Expert, "kind"))


def experts_for(
    wanted: Wanted, features: tuple[Feature, ...], represented: bool
) -> dict[str, ExpertKind]:
    """The kinds that are wanted and that have something to learn from, by name.

    represented: whether a frozen trunk computes a representation in advance.
    """
    names = expert_kinds() if wanted == "auto" else wanted
    kinds = {name: part("components.experts", ExpertKind, name)() for name in names}
    return {name: kind for name, kind in kinds.items() if kind.reads(features, represented)}


def fit_experts(
    wanted: Wanted,
    rows: ExpertRows,
    chosen: np.ndarray,
    targets: Sequence[TaskTarget],
    labels: Mapping[str, np.ndarray],
    seed: int,
    observer: Observer,
) -> FittedExperts:
    """Fit the experts that the features allow.

    chosen: int64, the training rows to learn from. labels: by task, encoded labels of these rows.

    Raises:
        RootstockError: the library of an expert that the spec names is not installed.
    """
    able = experts_for(wanted, rows.features, rows.embeddings is not None)
    for name in [] if wanted == "auto" else [n for n in wanted if n not in able]:
        observer.warn(f"model.experts: {name} has no input that it can learn from: left out.")
    if able and len(chosen) < FEWEST_ROWS:
        observer.warn(
            f"model.experts: {len(chosen)} training rows are too few for {FOLDS} folds, which need"
            f" {FEWEST_ROWS}: no experts."
        )
        return FittedExperts()
    able = {n: k for n, k in able.items() if _is_here(n, k, wanted, observer)}
    if not able:
        return FittedExperts()
    objectives = tuple(o for t in targets for o in labels_of(t.task).objectives(t, labels[t.name]))
    _warn_of_few(objectives, observer)
    able = {n: k for n, k in able.items() if _has_room(n, k, objectives, observer)}
    if not able:
        return FittedExperts()
    groups = rows.groups(chosen)
    fit_rows = FitRows(
        features=rows.features,
        raw=rows.raw("train", chosen),
        preprocessed=rows.preprocessed("train", chosen),
        representation=rows.representation("train", chosen),
        objectives=objectives,
        folds=assigned_folds(objectives, groups, FOLDS, seed),
        groups=groups,
        seed=seed,
        threads=(os.cpu_count() or 1) if len(chosen) > MANY_ROWS else 1,
        blocks=rows.blocks("train", chosen),
    )
    fitted: list[Fitted] = []
    for done, (name, kind) in enumerate(able.items()):
        report = partial(observer.progress, done, len(able), "kinds")
        report(name)
        fitted += kind.fit(fit_rows, report)
    observer.progress(len(able), len(able), "kinds")
    return FittedExperts(
        tuple(f.expert for f in fitted),
        {f.expert.name: f.arrays for f in fitted},
        np.concatenate([f.out_of_fold for f in fitted], axis=1).astype(np.float32),
        {f"{f.expert.name} {n}": value for f in fitted for n, value in f.figures.items()},
    )


def margins_of(
    fitted: FittedExperts,
    rows: ExpertRows,
    split: str,
    representation: np.ndarray | None = None,
    blocks: np.ndarray | None = None,
) -> np.ndarray:
    """Float32 [rows of the split, margins], from the graph that is served.

    representation, blocks: of the split, if `rows` has none of them.
    """
    from models.experts.base import ExpertInputs
    from models.experts.layers.panel import Panel

    panel, count = Panel(fitted.experts, fitted.arrays), rows.examples.num_rows(split)
    function = tf.function(
        lambda *inputs: panel(ExpertInputs(*inputs)), autograph=False, reduce_retracing=True
    )
    raw, columns = rows.raw(split), rows.preprocessed(split, slice(None))
    if panel.reads_representation and representation is None:
        representation = rows.representation(split, slice(None))
    if panel.reads_blocks and blocks is None:
        blocks = rows.blocks(split, slice(None))
    dtypes = {f.name: f.raw_dtype for f in rows.read}
    parts = []
    for start in range(0, count, BATCH_ROWS):
        at = slice(start, start + BATCH_ROWS)
        batch = (
            {n: tf.constant(v[at], dtypes[n]) for n, v in raw.items()},
            {n: tf.constant(v[at]) for n, v in columns.items()},
            *(None if x is None else tf.constant(x[at]) for x in (representation, blocks)),
        )
        parts.append(function(*batch).numpy())
    width = 0 if fitted.out_of_fold is None else fitted.out_of_fold.shape[1]
    return np.concatenate(parts) if parts else np.zeros((0, width), np.float32)


def _is_here(name: str, kind: ExpertKind, wanted: Wanted, observer: Observer) -> bool:
    """Whether the library of a kind can be imported.

    Raises:
        RootstockError: it cannot, and the spec names the kind.
    """
    if not kind.package:
        return True
    try:
        importlib.import_module(kind.package)
    except (ImportError, OSError) as e:  # OSError: a library of the system is missing
        how = (
            f"it needs {kind.package}, which cannot be imported ({e}):"
            f" pip install 'rootstock[{kind.extra}]'"
        )
        if wanted != "auto":
            raise RootstockError(f"model.experts: {name}: {how}, or leave {name} out.") from e
        observer.warn(f"model.experts: without {name}: {how}.")
        return False
    return True


def _has_room(
    name: str, kind: ExpertKind, objectives: Sequence[Objective], observer: Observer
) -> bool:
    """Whether a kind takes so many raw outputs."""
    units = sum(o.units for o in objectives)
    if kind.most_outputs is None or units <= kind.most_outputs:
        return True
    observer.warn(
        f"model.experts: without {name}: the tasks have {units} raw outputs, more than its limit of"
        f" {kind.most_outputs}."
    )
    return False


def _warn_of_few(objectives: Sequence[Objective], observer: Observer) -> None:
    few = {o.task: int(o.known().sum()) for o in objectives if 0 < o.known().sum() < FEWEST_ROWS}
    for task, count in few.items():
        observer.warn(
            f"model.experts: task {task!r} has {count} labels in train: what experts say of it is"
            " little more than its mean."
        )
