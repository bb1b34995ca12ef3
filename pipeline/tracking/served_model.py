"""Predicts pandas rows with a SavedModel: the loader module inside a logged MLflow model.

It is copied into the model, so that the model can be loaded where Rootstock is not installed.
Therefore it imports nothing from Rootstock.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

SIGNATURE = "serving_default"


class PyfuncModel:
    """The object that `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, saved_model: Path) -> None:
        import tensorflow as tf
        from tensorflow.core.protobuf import saved_model_pb2

        self._loaded = tf.saved_model.load(str(saved_model))
        self._predict = self._loaded.signatures[SIGNATURE]
        saved = saved_model_pb2.SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
        inputs = saved.meta_graphs[0].signature_def[SIGNATURE].inputs
        # TensorFlow renames "capital-gain" to a valid keyword; the signature has both names.
        self._arguments = {
            name: (info.name.removeprefix(f"{SIGNATURE}_").removesuffix(":0"), info.dtype)
            for name, info in inputs.items()
        }

    def predict(self, data: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One row of predictions for each row of inputs, one column for each task.

        A missing text, category or number may be None or NaN.
        """
        import pandas as pd
        import tensorflow as tf

        feeds = {}
        for name, (argument, dtype) in self._arguments.items():
            column = data[name]
            if tf.as_dtype(dtype) == tf.string:
                values = column.astype(object).where(column.notna(), "").tolist()
                feeds[argument] = tf.constant(values, tf.string, shape=[len(data)])
            else:
                feeds[argument] = tf.constant(pd.to_numeric(column), tf.float32)
        outputs = {name: value.numpy() for name, value in self._predict(**feeds).items()}
        columns = {
            name: (value.ravel() if value.size == len(data) else value.tolist())
            for name, value in sorted(outputs.items())
        }
        return pd.DataFrame(columns, index=data.index)


def _load_pyfunc(path: str) -> PyfuncModel:
    return PyfuncModel(Path(path))
