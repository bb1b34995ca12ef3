"""Warm-up requests inside a SavedModel: servers replay them before a version takes over.

See https://www.tensorflow.org/tfx/serving/saved_model_warmup; TF Serving and the embedded server
both read them. One request for each batch size: a first request of a new size is the slow one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from serving.wire.tensors import fill

FILE = Path("assets.extra") / "tf_serving_warmup_requests"
SIZES = (1, 32)


def write_warm_up(
    saved_model: Path, examples: Mapping[str, np.ndarray], sizes: Sequence[int] = SIZES
) -> None:
    """Write Predict requests for all tasks.

    examples: by input name, [rows] as the model takes them; repeated to fill the larger sizes.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    file = saved_model / FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for size in sizes:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.signature_name = "serving_default"
            for name, values in examples.items():
                fill(request.inputs[name], np.resize(values, size))
            writer.write(log.SerializeToString(deterministic=True))
