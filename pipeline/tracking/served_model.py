"""Predicts pandas rows with a SavedModel, with the names of classes: the loader module inside a
logged MLflow model.

It is copied into the model, so that the model can be loaded where Rootstock is not installed.
Therefore it imports nothing from Rootstock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SAVED_MODEL = "model"
ANSWERS = "answers.json"
"""The file beside the SavedModel with an `Answer` for every task."""
SIGNATURE, DETAILED = "serving_default", "detailed"
PROBABILITIES = "probabilities"
"""The parameter of `predict` that asks for a column for each class."""
BATCH_ROWS = 256


class Task(Protocol):
    """What has to be known of a task to name its answers.

    classes: in the order of its probabilities; a single probability is that of the second of two
    classes; empty for numbers. several: whether several classes can apply at once. decision: the
    probability above which the answer counts as yes.
    """

    @property
    def name(self) -> str: ...
    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def several(self) -> bool: ...
    @property
    def decision(self) -> float: ...


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A `Task`, as `answers.json` has it."""

    name: str
    classes: Sequence[str] = ()
    several: bool = False
    decision: float = 0.5


class PyfuncModel:
    """The object that `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, directory: Path) -> None:
        import tensorflow as tf
        from tensorflow.core.protobuf import saved_model_pb2

        saved_model = directory / SAVED_MODEL
        self._answers = [Answer(**a) for a in json.loads((directory / ANSWERS).read_text("utf-8"))]
        self._signatures = tf.saved_model.load(str(saved_model)).signatures
        saved = saved_model_pb2.SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
        inputs = saved.meta_graphs[0].signature_def[SIGNATURE].inputs
        # TensorFlow renames "capital-gain" to a valid keyword; the signature has both names.
        self._arguments = {
            name: (info.name.removeprefix(f"{SIGNATURE}_").removesuffix(":0"), info.dtype)
            for name, info in inputs.items()
        }

    def predict(self, data: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One row of answers for each row of inputs; see `columns_of` for the columns.

        A missing text, category or number may be None or NaN. A category may be a number or a bool.

        params: `{"probabilities": True}` for a column for each class.
        """
        import numpy as np
        import pandas as pd

        probabilities = bool((params or {}).get(PROBABILITIES))
        detailed = DETAILED in self._signatures and not probabilities
        predict = self._signatures[DETAILED if detailed else SIGNATURE]
        parts = []
        for start in range(0, len(data), BATCH_ROWS):
            outputs = predict(**self._feeds(data.iloc[start : start + BATCH_ROWS]))
            parts.append({name: value.numpy() for name, value in outputs.items()})
        names = parts[0] if parts else ()
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in names}
        columns: dict[str, Any] = {}
        for answer in self._answers if outputs else ():
            columns |= columns_of(answer, outputs, probabilities)
        return pd.DataFrame(columns, index=data.index)

    def _feeds(self, data: pd.DataFrame) -> dict[str, Any]:
        """The arguments of a signature."""
        import pandas as pd
        import tensorflow as tf

        feeds = {}
        for name, (argument, dtype) in self._arguments.items():
            column = data[name]
            if tf.as_dtype(dtype) == tf.string:
                values = [text_of(v) for v in column.astype(object).where(column.notna(), "")]
                feeds[argument] = tf.constant(values, tf.string, shape=[len(data)])
            else:
                feeds[argument] = tf.constant(pd.to_numeric(column), tf.float32)
        return feeds


def text_of(value: Any) -> str | bytes:
    """A value of a category as training had it: 3 and 3.0 are "3", True is "true"; the rule of
    `models.values`. pandas reads numbers as floats if some are missing.
    """
    if isinstance(value, str | bytes):
        return value
    value = getattr(value, "item", lambda: value)()  # of a NumPy scalar
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def columns_of(
    task: Task, outputs: Mapping[str, np.ndarray], probabilities: bool
) -> dict[str, Any]:
    """The columns that tell the answers of a task.

    `<task>`: the class, the list of classes, or the number; and, for one class,
    `<task>_probability`: of that class. With intervals or sets also `<task>_lower` and
    `<task>_upper`, or `<task>_set`: the list of classes in the set.

    outputs: [rows, ...] by name, as they are served. probabilities: a column for each class
    instead: `<task>=<class>`.
    """
    values = outputs[task.name]
    named = _named(task, values.reshape(len(values), -1), probabilities)
    return named | _region(task, outputs)


def _named(task: Task, values: np.ndarray, probabilities: bool) -> dict[str, Any]:
    """values: [rows, units]."""
    import numpy as np

    name, classes = task.name, np.array(list(task.classes), object)
    if not len(classes):
        return {name: values[:, 0]}
    if values.shape[1] == 1:  # the probability of the second of two classes
        yes = values[:, 0]
        if probabilities:
            return {f"{name}={classes[0]}": 1 - yes, f"{name}={classes[1]}": yes}
        above = yes > task.decision
        return {
            name: classes[above.astype(int)],
            f"{name}_probability": np.where(above, yes, 1 - yes),
        }
    if probabilities:
        return {f"{name}={c}": values[:, i] for i, c in enumerate(classes)}
    if task.several:
        return {name: [list(classes[row > task.decision]) for row in values]}
    likeliest = values.argmax(axis=1)
    return {name: classes[likeliest], f"{name}_probability": values.max(axis=1)}


def _region(task: Task, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The columns of a task's interval or set, if it has one."""
    import numpy as np

    name, found = task.name, dict[str, Any]()
    for bound in ("lower", "upper"):
        if (values := outputs.get(f"{name}.{bound}")) is not None:
            found[f"{name}_{bound}"] = values[:, 0]
    if (inside := outputs.get(f"{name}.set")) is not None:
        classes = np.array(list(task.classes), object)
        found[f"{name}_set"] = [list(classes[row]) for row in inside]
    return found


def _load_pyfunc(path: str) -> PyfuncModel:
    return PyfuncModel(Path(path))
