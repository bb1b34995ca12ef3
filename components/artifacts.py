"""What stages hand to each other: directories of known content, with the digest of that content.

An artifact is light: opening its payload happens in the accessor that is called, so importing this
module costs nothing but the standard library.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Artifact:
    """A directory (or, for `SourceFiles`, any path) and the digest of its content.

    path: where it lies now. Never part of a fingerprint.
    digest: of the content; empty until the runner has published it.
    """

    path: Path
    digest: str = ""


@dataclass(frozen=True)
class SourceFiles(Artifact):
    """Raw files of the user: a file or a directory tree, outside the store."""


@dataclass(frozen=True)
class Examples(Artifact):
    """`<split>/part-NNNNN.parquet`, zstd, one row per example, raw columns of all sources.

    A column that a source lacks is null in its rows.
    """

    def shards(self, split: str) -> list[Path]:
        """The Parquet files of a split, in order; empty where the split has no rows."""
        return sorted((self.path / split).glob("*.parquet"))

    def splits(self) -> list[str]:
        """Names of the splits that hold files, in the order train, val, test, then others."""
        names = [d.name for d in self.path.iterdir() if d.is_dir() and self.shards(d.name)]
        return sorted(names, key=lambda n: (SPLITS.index(n) if n in SPLITS else len(SPLITS), n))

    def num_rows(self, split: str) -> int:
        """Rows of a split, from the files' footers."""
        import pyarrow.parquet as pq

        return sum(pq.read_metadata(p).num_rows for p in self.shards(split))

    def read(self, split: str, columns: list[str] | None = None) -> pa.Table:
        """A whole split as one Arrow table, in shard order."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        return pa.concat_tables([pq.read_table(p, columns=columns) for p in self.shards(split)])


@dataclass(frozen=True)
class Quarantine(Artifact):
    """`records.jsonl`: one object per refused record: source, position, reason."""

    def records(self) -> list[dict[str, Any]]:
        """The refused records, in source order."""
        file = self.path / "records.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()]


@dataclass(frozen=True)
class DuplicateReport(Artifact):
    """`duplicates.json`: groups of duplicates, how many lie in several splits, and some of them."""

    def load(self) -> dict[str, Any]:
        """Its content."""
        told: dict[str, Any] = json.loads((self.path / "duplicates.json").read_text())
        return told


@dataclass(frozen=True)
class Statistics(Artifact):
    """`FeatureStats.pb`: a `DatasetFeatureStatisticsList`, one dataset per split; `statistics.json`
    holds the same figures and, for label columns, exact value counts; `statistics.html` shows them.
    """


@dataclass(frozen=True)
class TaskStatistics(Artifact):
    """`tasks.json`: labels by task and pairs of labels by pair of tasks; `tasks.html` shows them;
    `FeatureStats.pb`: a `DatasetFeatureStatisticsList` of them with crossed features.
    """


@dataclass(frozen=True)
class Schema(Artifact):
    """`schema.pbtxt`: a tensorflow-metadata `Schema`."""


@dataclass(frozen=True)
class Anomalies(Artifact):
    """`anomalies.pbtxt`: a tensorflow-metadata `Anomalies`, empty when all is well."""


@dataclass(frozen=True)
class Preprocessing(Artifact):
    """`preprocessing.json`: the features with their state, and the tasks with their classes."""


@dataclass(frozen=True)
class Batches(Artifact):
    """`<split>/part-NNNNN.arrow`: preprocessed features as uncompressed Arrow IPC with fixed-size
    columns, so that training reads them by memory map without a copy. Rows are those of `Examples`.
    """


@dataclass(frozen=True)
class Predictions(Artifact):
    """`part-NNNNN.parquet` (or `.jsonl`, `.tfrecord`): kept columns and `predicted_<task>`, row by
    row of the sources.
    """


@dataclass(frozen=True)
class TrainedModel(Artifact):
    """What rebuilds the Keras model: see `models.model_files`; and `history.json`: the figures of
    every epoch.
    """


@dataclass(frozen=True)
class ExportedModel(TrainedModel):
    """What rebuilds the Keras model; `saved_model/`, which is served; and `expected.parquet`: raw
    examples and the answers of the Keras model to them.
    """

    @property
    def saved_model(self) -> Path:
        """The SavedModel directory."""
        return self.path / "saved_model"

    @property
    def expected(self) -> Path:
        """The file of examples and answers: see `components.export.expected_outputs`."""
        return self.path / "expected.parquet"


@dataclass(frozen=True)
class Champion(Artifact):
    """The SavedModel that is served now; its digest is that of the model it was pushed from."""


@dataclass(frozen=True)
class Affinities(Artifact):
    """`affinities.json`: task names; by part of training, what a step for one task does for each
    other one, and the cosines of their gradients.
    """


@dataclass(frozen=True)
class TrialResult(Artifact):
    """`trial.json`: what a model of a study is worth and what it cost; see
    `components.experiments.trial_result`. The model itself is not kept.
    """


@dataclass(frozen=True)
class Evaluation(Artifact):
    """`evaluation.json`: by task, in all and by slice: metrics, their intervals and their changes
    against the champion; the points of curves. `evaluation.html`: the same as a page.
    """


@dataclass(frozen=True)
class Blessing(Artifact):
    """`blessing.json`: {"judge", "blessed": bool, "reasons": [...]}, why not; beside them, what was
    looked at: each threshold that was held against the model, or how it was served.
    """

    def blessed(self) -> bool:
        """Whether the judge approved."""
        return bool(json.loads((self.path / "blessing.json").read_text())["blessed"])

    def reasons(self) -> list[str]:
        """Why not, one sentence each; empty when blessed."""
        return list(json.loads((self.path / "blessing.json").read_text())["reasons"])


@dataclass(frozen=True)
class PushRecord:
    """Where a model went. path, version: of the version directory; "" and 0 if it was not pushed.

    digest: of the model. reasons: why it was not pushed, one sentence each. label: that it was
    given.
    """

    model: str
    digest: str
    version: int = 0
    path: str = ""
    reasons: tuple[str, ...] = ()
    label: str | None = None

    @property
    def pushed(self) -> bool:
        """Whether the model went anywhere."""
        return self.version > 0


@dataclass(frozen=True)
class Pushed(Artifact):
    """`pushed.json`: a `PushRecord`."""

    def load(self) -> PushRecord:
        """Where the model went, or why nowhere."""
        told = json.loads((self.path / "pushed.json").read_text())
        return PushRecord(**{**told, "reasons": tuple(told["reasons"])})
