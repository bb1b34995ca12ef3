"""Replay the warm-up requests in a SavedModel: `assets.extra/tf_serving_warmup_requests`.

See https://www.tensorflow.org/tfx/serving/saved_model_warmup.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.server.api import classify_regress
from serving.warmup import FILE
from serving.wire.errors import ServingError, invalid
from serving.wire.names import DEFAULT_SIGNATURE
from serving.wire.tensors import to_numpy

if TYPE_CHECKING:
    from serving.server.saved_model import SavedModel

MAX_REQUESTS = 1000
"""TF Serving's limit."""


def warm_up(model: SavedModel, path: Path) -> int:
    """Run the warm-up requests of a loaded SavedModel. path: its directory.

    Returns:
        The number of requests; 0 if there is no warm-up file.

    Raises:
        ServingError: a request fails, or the file holds something else.
    """
    file = path / FILE
    if not file.exists():
        return 0
    from tensorflow.python.framework import errors_impl
    from tensorflow.python.lib.io._pywrap_record_io import RecordIterator
    from tensorflow_serving.apis import prediction_log_pb2

    count = 0
    try:
        for record in RecordIterator(str(file), ""):
            count += 1
            if count > MAX_REQUESTS:
                raise invalid(f"{file.name} holds more than {MAX_REQUESTS} requests.")
            _replay(model, prediction_log_pb2.PredictionLog.FromString(record))
    except ServingError as error:
        raise ServingError(error.code, f"Warm-up request {count}: {error.message}") from None
    except (errors_impl.OpError, ValueError) as error:
        raise invalid(f"{file.name} cannot be read: {error}") from None
    return count


def _replay(model: SavedModel, log: Any) -> None:
    kind = log.WhichOneof("log_type")
    request: Any = getattr(log, kind).request if kind else None
    if kind == "predict_log":
        inputs = {name: to_numpy(tensor) for name, tensor in request.inputs.items()}
        signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
        model.predict(signature, inputs, tuple(request.output_filter))
    elif kind in ("classify_log", "regress_log"):
        run = classify_regress.classify if kind == "classify_log" else classify_regress.regress
        run(
            model,
            request.model_spec.signature_name,
            lambda: classify_regress.examples_of(request.input),
        )
    else:
        raise invalid(f"A log of type {kind} cannot be replayed.")
