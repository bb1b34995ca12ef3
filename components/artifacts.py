"""Artifacts: the inputs and outputs of stages, directories with known content.

Only the methods of an artifact open its files, so importing this module needs only the standard
library.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from models.masked_url import MaskedUrl

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SPLITS = ("train", "val", "test")
UNLABELLED = "unlabelled"
"""The split of rows whose inputs only are read, to pretrain a trunk on: never to fit preprocessing,
to train heads, or to evaluate.
"""


@dataclass(frozen=True)
class RemoteObject:
    """An object below a URL, by name, with the SHA-256 of its content."""

    url: MaskedUrl
    name: str
    sha256: str


class Origin(Protocol):
    """Where the content of an artifact is if it is not on this machine."""

    def tree(self, path: Path) -> tuple[Path, Mapping[str, RemoteObject]]:
        """A directory on this machine, and the object of each file in it that belongs to `path`, by
        relative name.
        """

    def fetch(self, path: Path) -> None:
        """Bring the content to `path`, unless it is there.

        Raises:
            RootstockError: it cannot be reached, or is no longer there.
        """


class _Local:
    """The field `path` of an artifact. Reading it fetches content that is elsewhere."""

    def __get__(self, artifact: Artifact | None, owner: type) -> Path:
        if artifact is None:
            raise AttributeError("path")  # so that the field has no default value
        if artifact.origin is not None:
            artifact.origin.fetch(artifact.place)
        return artifact.place

    def __set__(self, artifact: Artifact, path: Path) -> None:
        artifact.__dict__["path"] = path


@dataclass(frozen=True)
class Artifact:
    """A directory (or, for `SourceFiles`, any path) and the digest of its content.

    path: its current place, which is never part of a fingerprint.
    digest: of the content; empty until the runner has published it.
    origin: of content that may not be on this machine yet.
    """

    path: _Local = _Local()
    digest: str = ""
    origin: Origin | None = field(default=None, compare=False, repr=False, kw_only=True)

    @property
    def place(self) -> Path:
        """The path, where the content is not needed."""
        return self.__dict__["path"]  # type: ignore[no-any-return]


class Raw(Protocol):
    """Raw data of the user: where it is, and how to notice that it changes."""

    @property
    def copy(self) -> Path:
        """Where it is on this machine: its path or, if it is behind a URL, that of its copy."""

    @property
    def origin(self) -> Origin | None:
        """What makes the copy."""

    def digest(self, index: Path | None) -> str:
        """The digest of the content. index: a directory that remembers digests of files whose
        state is the same; None reads everything.

        Raises:
            RootstockError: there is no such data.
        """

    def state(self) -> Mapping[str, Sequence[int]]:
        """Size, times and inode of each file, by path. Empty if there is none, as for a query,
        whose rows are compared with the digest as they are read.
        """


@dataclass(frozen=True)
class SourceFiles(Artifact):
    """Raw files of the user: a file or a directory tree, outside the store.

    raw: what the digest is of. It must not change while a stage reads it (see
        `pipeline.store.unchanged_sources`).
    """

    raw: Raw | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, raw: Raw, index: Path) -> SourceFiles:
        """Raw data and its digest. index: see `Raw.digest`."""
        return cls(raw.copy, raw.digest(index), raw, origin=raw.origin)


@dataclass(frozen=True)
class Examples(Artifact):
    """`<split>/part-NNNNN.parquet`, zstd: one row per example, with the raw columns of all sources.

    A column that a source does not have is null in its rows.
    """

    def shards(self, split: str) -> list[Path]:
        """The Parquet files of a split, in order; empty if the split has no rows."""
        return sorted((self.path / split).glob("*.parquet"))

    def splits(self) -> list[str]:
        """Names of the splits with files, in the order train, val, test, then others."""
        names = [d.name for d in self.path.iterdir() if d.is_dir() and self.shards(d.name)]
        return sorted(names, key=lambda n: (SPLITS.index(n) if n in SPLITS else len(SPLITS), n))

    def num_rows(self, split: str) -> int:
        """Number of rows of a split, from the footers of its files."""
        import pyarrow.parquet as pq

        return sum(pq.read_metadata(p).num_rows for p in self.shards(split))

    def read(self, split: str, columns: list[str] | None = None) -> pa.Table:
        """A whole split as one Arrow table, in shard order."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        return pa.concat_tables([pq.read_table(p, columns=columns) for p in self.shards(split)])


@dataclass(frozen=True)
class Quarantine(Artifact):
    """`records.jsonl`: one object per bad record, with source, position and reason."""

    def records(self) -> list[dict[str, Any]]:
        """The bad records, in the order of the sources."""
        file = self.path / "records.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()]


@dataclass(frozen=True)
class DuplicateReport(Artifact):
    """`duplicates.json`: numbers of duplicate groups, in all and across splits, and examples."""

    def load(self) -> dict[str, Any]:
        """The content of the file."""
        content: dict[str, Any] = json.loads((self.path / "duplicates.json").read_text())
        return content


@dataclass(frozen=True)
class Statistics(Artifact):
    """`FeatureStats.pb`: a `DatasetFeatureStatisticsList` with one dataset per split.
    `statistics.json`: the same figures and, for label columns, exact counts of values.
    `statistics.html`: a page with them.
    """


@dataclass(frozen=True)
class TaskStatistics(Artifact):
    """`tasks.json`: label counts by task, and counts of label pairs by pair of tasks.
    `tasks.html`: a page with them. `FeatureStats.pb`: the same as a `DatasetFeatureStatisticsList`
    with crossed features.
    """


@dataclass(frozen=True)
class Schema(Artifact):
    """`schema.pbtxt`: a tensorflow-metadata `Schema`."""


@dataclass(frozen=True)
class Anomalies(Artifact):
    """`anomalies.pbtxt`: a tensorflow-metadata `Anomalies`; empty if there are none."""


@dataclass(frozen=True)
class Preprocessing(Artifact):
    """`preprocessing.json`: the features with the state of their preprocessing."""


@dataclass(frozen=True)
class Batches(Artifact):
    """`<split>/part-NNNNN.arrow`: preprocessed features of the rows of `Examples`, in their order.

    Uncompressed Arrow IPC with fixed-size columns, which training maps into memory without a copy.
    """


@dataclass(frozen=True)
class AdaptedTrunk(Artifact):
    """`weights.npz`: of a trunk after pretraining on the user's texts; see
    `models.trunks.sources.adapted`. `pretraining.json`: what was done, and how well it predicts.
    """

    def record(self) -> dict[str, Any]:
        """The content of `pretraining.json`."""
        content: dict[str, Any] = json.loads((self.path / "pretraining.json").read_text())
        return content


@dataclass(frozen=True)
class ExpertModels(Artifact):
    """`experts.json` and `experts.npz`: fitted classical models, see `models.experts`.
    `margins/`: what they say of the training rows, out of fold, and of the validation rows. Without
    any expert only `experts.json`, an empty list.
    """

    @property
    def margins(self) -> Batches:
        """Margins of the rows that the Trainer reads, in their order."""
        return Batches(self.path / "margins")


@dataclass(frozen=True)
class Predictions(Artifact):
    """`part-NNNNN.parquet` (or `.jsonl`, `.tfrecord`): for each source row, copied columns and
    `predicted_<task>`.
    """


@dataclass(frozen=True)
class TeacherAnswers(Artifact):
    """`answers.npz`: float32 [rows, width] by task: a served model on all training rows."""

    def load(self) -> dict[str, np.ndarray]:
        import numpy as np

        with np.load(self.path / "answers.npz") as arrays:
            return dict(arrays)


@dataclass(frozen=True)
class TrainedModel(Artifact):
    """The files that rebuild the Keras model (see `models.model_files`), and `history.json`: the
    figures of every epoch.
    """


@dataclass(frozen=True)
class ExportedModel(TrainedModel):
    """The files that rebuild the Keras model; `saved_model/`, which is served; and
    `expected.parquet`: raw examples with the answers of the Keras model.
    """

    @property
    def saved_model(self) -> Path:
        return self.path / "saved_model"

    @property
    def expected(self) -> Path:
        """The file of examples and answers: see `components.export.expected_outputs`."""
        return self.path / "expected.parquet"

    def size_mb(self) -> float:
        """Size of the SavedModel, without portable files. A MB is 10^6 bytes."""
        portable = self.saved_model / "assets.extra" / "portable"
        files = (
            p for p in self.saved_model.rglob("*") if p.is_file() and not p.is_relative_to(portable)
        )
        return round(sum(p.stat().st_size for p in files) / 1e6, 3)


@dataclass(frozen=True)
class Champion(Artifact):
    """The SavedModel that is served now; its digest is that of the model it was pushed from."""


@dataclass(frozen=True)
class Affinities(Artifact):
    """`affinities.json`: task names; and, by part of training, the effects of a step on one task on
    the losses of the others, and the cosines of the tasks' gradients.
    """


@dataclass(frozen=True)
class TrialResult(Artifact):
    """`trial.json`: metrics and costs of a model of a study, see
    `components.experiments.trial_result`. The model itself is not kept.
    """


@dataclass(frozen=True)
class Scores(Artifact):
    """`scores.json`: metrics of a model on validation rows, see `components.experiments.scorer`.
    `answers.npz`: float32 [rows, width] by task, its answers to these rows.
    """


@dataclass(frozen=True)
class Evaluation(Artifact):
    """`evaluation.json`: for each task, in total and by slice: metrics with confidence intervals,
    differences to the champion, and points of curves; the metrics of the best constant answer; the
    rows that were answered worst. `evaluation.html`: a page with them.
    """


@dataclass(frozen=True)
class Blessing(Artifact):
    """`blessing.json`: {"judge", "blessed": bool, "reasons": [...]}, with reasons why not; of the
    Evaluator, also the value of each threshold. Load times and latencies are figures of the
    InfraValidator, because they differ from run to run.
    "warnings": what makes the verdict uncertain, such as too few rows.
    """

    def blessed(self) -> bool:
        return bool(json.loads((self.path / "blessing.json").read_text())["blessed"])

    def reasons(self) -> list[str]:
        """Why it did not pass, one sentence each; empty if it did."""
        return list(json.loads((self.path / "blessing.json").read_text())["reasons"])

    def warnings(self) -> list[str]:
        """What makes the verdict uncertain, whether it passed or not, one sentence each."""
        return list(json.loads((self.path / "blessing.json").read_text()).get("warnings", ()))


@dataclass(frozen=True)
class PushRecord:
    """The result of a push.

    version, path: of the version directory; 0 and "" if the model was not pushed.
    digest: of the model. reasons: why it was not pushed, one sentence each.
    label: of the version, if it has one. warnings: what makes its evaluation uncertain.
    served: the version that was served before, if that is another model; 0 if there is none.
    served_digest: of its model. held: not pushed, only so that this one stays served.
    """

    model: str
    digest: str
    version: int = 0
    path: str = ""
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    label: str | None = None
    served: int = 0
    served_digest: str = ""
    held: bool = False

    @property
    def pushed(self) -> bool:
        return self.version > 0


@dataclass(frozen=True)
class Pushed(Artifact):
    """`pushed.json`: a `PushRecord`."""

    def load(self) -> PushRecord:
        """The content of the file."""
        content = json.loads((self.path / "pushed.json").read_text())
        lists = {name: tuple(content.get(name, ())) for name in ("reasons", "warnings")}
        return PushRecord(**{**content, **lists})
