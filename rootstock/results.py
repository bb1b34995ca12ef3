"""What a run, a search, a study or an advice came to, in pandas and Keras."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from components.errors import RootstockError
from components.evaluation.measured import measured
from pipeline.flow import PipelineResult
from pipeline.outcome import Outcome, outcome
from pipeline.report.tables import Table
from pipeline.tracking.served_model import columns_of
from rootstock.rows import raw_of, table_of
from rootstock.specs import Spec
from serving.interface import Answer, read_interface
from serving.wire.names import DEFAULT_SIGNATURE, DETAILED

if TYPE_CHECKING:
    import keras
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    Rows: TypeAlias = pd.DataFrame | pa.Table | Mapping[str, Any] | Sequence[Mapping[str, Any]]

    from components.export.keras_model import KerasModel
    from serving.server.saved_model import SavedModel

BATCH_ROWS = 256


@dataclass(frozen=True)
class Result:
    """A trained, evaluated and perhaps pushed model. pipeline: its artifacts."""

    spec: Spec
    pipeline: PipelineResult

    @cached_property
    def outcome(self) -> Outcome:
        """Whether it was pushed, as which version, or why not; metrics by task."""
        return outcome(self.pipeline)

    @property
    def pushed(self) -> bool:
        return self.outcome.pushed

    @cached_property
    def evaluation(self) -> Mapping[str, Any]:
        """The content of `evaluation.json`: also curves, confusions, calibration and slices."""
        content: dict[str, Any] = json.loads(Path(self.outcome.evaluation).read_text("utf-8"))
        return content

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """A row per task, slice and metric: `value`, the interval `low` to `high`, `rows`.

        Slice "all" is all rows. `low` and `high` are NaN for a metric without interval.
        """
        import pandas as pd

        return pd.DataFrame(list(measured(self.evaluation)))

    @cached_property
    def history(self) -> pd.DataFrame:
        """The figures of every epoch of training, of the first model of an ensemble."""
        import pandas as pd

        content = json.loads((self.pipeline.trained.path / "history.json").read_text("utf-8"))
        return pd.DataFrame(content["epochs"])

    @cached_property
    def model(self) -> keras.Model:
        """A functional Keras model from preprocessed features to the answers by task, as they are
        served; for plain Keras: train it further, take layers out of it, save it.

        `features` makes its inputs. Each access of a new result builds a new model.

        Raises:
            RootstockError: the run made an ensemble, which has no single model.
        """
        from rootstock.keras_files import functional

        return functional(self._trained.model)

    def features(self, rows: Rows) -> dict[str, np.ndarray]:
        """What `model` takes, from rows as in the data: preprocessed arrays [rows, ...] by name.

        Raises:
            RootstockError: a column is missing or has another type.
        """
        import numpy as np
        import tensorflow as tf

        raw = self._raw(table_of(rows))
        tensors = {name: tf.convert_to_tensor(values) for name, values in raw.items()}
        features = self._trained.features(tensors)
        return {name: np.asarray(values) for name, values in features.items()}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Save `model` as a `.keras` file; `rootstock.keras.load` reads it.

        Raises:
            RootstockError: see `model`; or the name does not end with `.keras`.
        """
        file = Path(path)
        if file.suffix != ".keras":
            raise RootstockError(f"{file}: expected a name that ends with .keras.")
        self.model.save(file)
        return file

    def predict(self, rows: Rows, probabilities: bool = False) -> pd.DataFrame:
        """The answers of the served model, a row each.

        rows: a DataFrame or an Arrow table; a list of mappings, one per row; or one mapping, of
            column to a list of values, or to a value for a single row. An image is its encoded
            bytes, or the path of its file. Missing values are None or NaN.
        probabilities: a column for each class instead: `<task>=<class>`.

        Returns:
            By task a column with the class, the list of classes or the number; and, for classes,
            `<task>_probability`: of that class. With `coverage` in the spec also `<task>_lower` and
            `<task>_upper`, the interval, or `<task>_set`, the list of classes in the set.

        Raises:
            RootstockError: a column is missing or has another type.
        """
        import numpy as np
        import pandas as pd

        table = table_of(rows)
        raw = self._raw(table)
        detailed = DETAILED in self._served.signatures and not probabilities
        signature = DETAILED if detailed else DEFAULT_SIGNATURE
        parts: list[dict[str, np.ndarray]] = []
        for start in range(0, table.num_rows, BATCH_ROWS):
            some = {name: values[start : start + BATCH_ROWS] for name, values in raw.items()}
            parts.append(self._served.predict(signature, some))
        names = parts[0] if parts else ()
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in names}
        columns: dict[str, Any] = {}
        for answer in self._answers if outputs else ():
            columns |= columns_of(answer, outputs, probabilities)
        return pd.DataFrame(columns)

    def examples(self, split: Literal["train", "val", "test"] = "test") -> pd.DataFrame:
        """The rows of a split, with all their columns, as they were read.

        Raises:
            RootstockError: the split has no rows.
        """
        examples = self.pipeline.examples
        if not examples.shards(split):
            raise RootstockError(
                f"{split}: no rows. Expected one of {', '.join(examples.splits())}."
            )
        frame: pd.DataFrame = examples.read(split).to_pandas()
        return frame

    @cached_property
    def _trained(self) -> KerasModel:
        from components.export.keras_model import load_keras

        if self.spec.sections.ensemble:
            raise RootstockError(
                f"{self.spec.path}: an ensemble has no single Keras model. `predict` answers with"
                " all of its members; `with_values({'ensemble': []})` leaves it out."
            )
        return load_keras(self.pipeline.trained)

    @cached_property
    def _served(self) -> SavedModel:
        from serving.server.saved_model import SavedModel

        return SavedModel(self.pipeline.model.saved_model)

    @property
    def _answers(self) -> tuple[Answer, ...]:
        interface = read_interface(self.pipeline.model.saved_model)
        assert interface is not None, "every exported model has one"
        return interface.answers

    def _raw(self, table: pa.Table) -> dict[str, np.ndarray]:
        return raw_of(table, tuple(self.spec.sections.inputs.values()))

    def __repr__(self) -> str:
        return f"Result({self.spec.name!r}, {_closing(self.outcome)})"

    def _repr_html_(self) -> str:
        wide = self.metrics[self.metrics["slice"] == "all"].drop(columns="slice")
        warnings = "".join(f"<div>⚠ {html.escape(w)}</div>" for w in self.outcome.warnings)
        what = f"{self.outcome.split} rows: {self.outcome.rows:,}"
        return (
            f"<b>{html.escape(self.spec.name)}</b>: {html.escape(_closing(self.outcome))}."
            f" {what}.{warnings}{wide.to_html(index=False, float_format='{:.4f}'.format)}"
        )


@dataclass(frozen=True)
class AutoResult:
    """What `rs.auto` found. best: the winner, trained, tested and perhaps pushed."""

    directory: Path
    best: Result
    table: Table

    @property
    def leaderboard(self) -> pd.DataFrame:
        """All candidates, best first."""
        import pandas as pd

        return pd.DataFrame(self.table.rows, columns=list(self.table.header))

    def _repr_html_(self) -> str:
        return f"{self.best._repr_html_()}{self.leaderboard.to_html(index=False)}"


@dataclass(frozen=True)
class Report:
    """A report on disk. data_file: its figures as JSON. page_file: for people."""

    directory: Path
    data_file: str
    page_file: str

    @cached_property
    def data(self) -> Mapping[str, Any]:
        content: dict[str, Any] = json.loads((self.directory / self.data_file).read_text("utf-8"))
        return content

    @property
    def page(self) -> Path:
        return self.directory / self.page_file

    def _repr_html_(self) -> str:
        """The page, in a frame of its own, so that its style stays inside."""
        inner = html.escape(self.page.read_text(encoding="utf-8"), quote=True)
        style = "width:100%;height:600px;border:1px solid #8884"
        return f'<iframe title="{self.page_file}" style="{style}" srcdoc="{inner}"></iframe>'


def _closing(result: Outcome) -> str:
    if not result.pushed:
        return f"not pushed: {'; '.join(result.reasons)}"
    return f"pushed as version {result.version} to {result.path}"
