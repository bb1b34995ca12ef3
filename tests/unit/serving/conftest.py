"""A small served model, and a server for it in this process."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from serving.server.models import Models
from serving.server.policy import ModelConfig
from serving.server.saved_model import SavedModel
from serving.signatures import Classes, SignatureInput, Value, export


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel: `sure` [batch, 1] is the sigmoid of age, `size` [batch] the text's length."""
    import tensorflow as tf

    def predict(raw: dict[str, Any]) -> dict[str, Any]:
        size = tf.cast(tf.strings.length(raw["text"]), tf.float32)
        return {"sure": tf.sigmoid(raw["age"])[:, None], "size": size}

    path = tmp_path_factory.mktemp("exported") / "saved_model"
    inputs = [SignatureInput("age", "float32"), SignatureInput("text", "string")]
    meanings = [Classes("sure", ("no", "yes")), Value("size")]
    export(predict, tf.Module(), inputs, ["sure", "size"], path, meanings)
    return path


@pytest.fixture(scope="session")
def saved_model(exported: Path) -> SavedModel:
    return SavedModel(exported)


@pytest.fixture(scope="session")
def base(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of versions of model `m`; it holds version 1."""
    base = tmp_path_factory.mktemp("served")
    (base / "1").symlink_to(exported)
    return base


@pytest.fixture(scope="session")
def models(base: Path) -> Models:
    models = Models([])
    models.reload([ModelConfig("m", base)])
    return models


@pytest.fixture(scope="session")
def urls(models: Models) -> Iterator[dict[str, str]]:
    """The URLs of a server in this process, by scheme."""
    import uvicorn

    from serving.server.api import grpc_api, rest
    from serving.server.api.http_protocol import bounded_http
    from serving.server.api.limits import Limits
    from serving.server.process import _listen

    limits = Limits(body_bytes=100_000)
    grpc_server = grpc_api.server(models, limits, threads=2)
    grpc_port = grpc_server.add_insecure_port("127.0.0.1:0")
    grpc_server.start()
    listener = _listen("127.0.0.1", 0)
    listener.listen()  # so that the first connection waits until the thread runs
    application = rest.RestApplication(models, limits, threads=2)
    http = bounded_http(limits)
    config = uvicorn.Config(application, http=http, lifespan="off", log_level="warning")
    web = uvicorn.Server(config)
    thread = Thread(target=web.run, args=([listener],))
    thread.start()
    yield {
        "http": f"http://127.0.0.1:{listener.getsockname()[1]}",
        "grpc": f"grpc://127.0.0.1:{grpc_port}",
    }
    web.should_exit = True
    thread.join()
    grpc_server.stop(None).wait()
