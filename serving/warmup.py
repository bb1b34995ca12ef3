"""Write warm-up requests into a SavedModel: servers run them before a version takes requests.

Both TF Serving and the embedded server do that; see
https://www.tensorflow.org/tfx/serving/saved_model_warmup. There is one request per batch size,
because the first request of each size is slow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from serving.wire.names import DEFAULT_SIGNATURE
from serving.wire.tensors import fill

FILE = Path("assets.extra") / "tf_serving_warmup_requests"
SIZES = (1, 32)


def write_warm_up(
    saved_model: Path, examples: Mapping[str, np.ndarray], sizes: Sequence[int] = SIZES
) -> None:
    """Write one Predict request for all tasks per batch size.

    examples: the values of each input, [rows]; they are repeated to fill larger batches.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    file = saved_model / FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for size in sizes:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.signature_name = DEFAULT_SIGNATURE
            for name, values in examples.items():
                fill(request.inputs[name], np.resize(values, size))
            writer.write(log.SerializeToString(deterministic=True))
