"""Replay of the warm-up requests in a SavedModel."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.server import warmup
from serving.server.saved_model import SavedModel
from serving.server.warmup import warm_up
from serving.warmup import FILE, write_warm_up
from serving.wire.errors import Code, ServingError

EXAMPLES = {"age": np.float32([1, 2]), "text": np.array([b"", b"abc"], object)}


def write(path: Path, *logs: Any) -> None:
    import tensorflow as tf

    (path / FILE).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path / FILE)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())


def test_requests_are_replayed(saved_model: SavedModel, tmp_path: Path) -> None:
    assert warm_up(saved_model, tmp_path) == 0
    write_warm_up(tmp_path, EXAMPLES, sizes=(1, 2, 5))
    assert warm_up(saved_model, tmp_path) == 3


def test_classify_and_regress_requests_are_replayed(
    saved_model: SavedModel, tmp_path: Path
) -> None:
    from tensorflow_serving.apis import prediction_log_pb2

    classify, regress = prediction_log_pb2.PredictionLog(), prediction_log_pb2.PredictionLog()
    for request, signature in (
        (classify.classify_log.request, "classify_sure"),
        (regress.regress_log.request, "regress_size"),
    ):
        request.model_spec.signature_name = signature
        request.input.example_list.examples.add()
    write(tmp_path, classify, regress)
    assert warm_up(saved_model, tmp_path) == 2


def test_a_request_that_fails_is_named(saved_model: SavedModel, tmp_path: Path) -> None:
    write_warm_up(tmp_path, {"age": EXAMPLES["age"]})
    with pytest.raises(ServingError, match="Warm-up request 1: input size does not match"):
        warm_up(saved_model, tmp_path)


def test_other_logs_cannot_be_replayed(saved_model: SavedModel, tmp_path: Path) -> None:
    from tensorflow_serving.apis import prediction_log_pb2

    write(tmp_path, prediction_log_pb2.PredictionLog())
    with pytest.raises(ServingError, match="A log of type None cannot be replayed"):
        warm_up(saved_model, tmp_path)


def test_a_broken_file_is_refused(saved_model: SavedModel, tmp_path: Path) -> None:
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_bytes(b"this is no file of records")
    with pytest.raises(ServingError, match="tf_serving_warmup_requests cannot be read") as caught:
        warm_up(saved_model, tmp_path)
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_too_many_requests_are_refused(
    saved_model: SavedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmup, "MAX_REQUESTS", 2)
    write_warm_up(tmp_path, EXAMPLES, sizes=(1, 1, 1))
    with pytest.raises(ServingError, match="holds more than 2 requests"):
        warm_up(saved_model, tmp_path)
