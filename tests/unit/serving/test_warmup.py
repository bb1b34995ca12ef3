"""Warm-up requests, read as TensorFlow and TF Serving read them."""

from pathlib import Path

import numpy as np

from serving.warmup import FILE, write_warm_up


def test_there_is_one_request_per_batch_size(tmp_path: Path) -> None:
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    write_warm_up(tmp_path, {"x": np.float32([1, 2])}, sizes=(1, 3))
    requests = [
        prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        for record in tf.data.TFRecordDataset(str(tmp_path / FILE))
    ]
    assert [r.model_spec.signature_name for r in requests] == ["serving_default"] * 2
    values = [tf.make_ndarray(request.inputs["x"]).tolist() for request in requests]
    assert values == [[1], [1, 2, 1]]
