"""Replays the requests that a SavedModel carries to be ready: `assets.extra/…warmup_requests`.

See https://www.tensorflow.org/tfx/serving/saved_model_warmup.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from serving.server.api import classify_regress as inference
from serving.warmup import FILE
from serving.wire.errors import ServingError, invalid
from serving.wire.tensors import to_numpy

if TYPE_CHECKING:
    from serving.server.saved_model import SavedModel


MOST = 1000


def warm_up(model: SavedModel, path: Path) -> int:
    """Ask a model what it carries in `path`; how many requests that was.

    Raises:
        ServingError: it cannot answer them, or the file holds something else.
    """
    file = path / FILE
    if not file.exists():
        return 0
    from tensorflow.python.framework import errors_impl
    from tensorflow.python.lib.io import tf_record
    from tensorflow_serving.apis import prediction_log_pb2

    count = 0
    try:
        for record in tf_record.tf_record_iterator(str(file)):
            count += 1
            if count > MOST:
                raise invalid(f"{file.name} holds more than {MOST} requests.")
            _replay(model, prediction_log_pb2.PredictionLog.FromString(record))
    except ServingError as error:
        raise ServingError(error.code, f"Warm-up request {count}: {error.message}") from None
    except (errors_impl.OpError, ValueError) as error:
        raise invalid(f"{file.name} cannot be read: {error}") from None
    return count


def _replay(model: SavedModel, log: object) -> None:
    from serving.server.saved_model import DEFAULT_SIGNATURE

    kind = log.WhichOneof("log_type")  # type: ignore[attr-defined]
    request = getattr(log, kind).request if kind else None
    if kind == "predict_log":
        assert request is not None
        inputs = {name: to_numpy(tensor) for name, tensor in request.inputs.items()}
        signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
        model.predict(signature, inputs, tuple(request.output_filter))
    elif kind in ("classify_log", "regress_log"):
        assert request is not None
        ask = inference.classify if kind == "classify_log" else inference.regress
        ask(model, request.model_spec.signature_name, inference.examples_of(request.input))
    else:
        raise invalid(f"A log of type {kind} cannot be replayed.")
