"""The configuration of TF Serving, parsed as TF Serving parses it."""

import re
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from serving.server.policy import Latest, Specific, configs_of
from serving.wire.names import METRICS_PATH


def test_models_config_is_a_model_server_config_with_the_labels(kit: Path, model: str) -> None:
    from tensorflow_serving.config import model_server_config_pb2

    text = (kit / "config" / "models.config").read_text()
    message = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (config,) = configs_of(message)
    assert (config.name, str(config.directory)) == (model, f"/models/{model}")
    if config.labels:
        assert config.labels == {"stable": 3, "canary": 5}
        assert config.policy == Specific((3, 5))
    else:
        assert config.policy == Latest(1)


def message_of(name: str, fields: dict[str, tuple[int, str]]) -> Any:
    """A message of TF Serving that tensorflow-serving-api does not ship.

    fields: number and type of each field: `int64` (repeated), `bool`, `string` or `Int64Value`;
    from session_bundle_config.proto and monitoring_config.proto of tensorflow/serving.
    """
    types = {"int64": 3, "bool": 8, "string": 9, "Int64Value": 11}
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", syntax="proto3")
    wrapper = file.message_type.add(name="Int64Value")
    wrapper.field.add(name="value", number=1, type=3, label=1)
    message = file.message_type.add(name=name)
    for field_name, (number, type_name) in fields.items():
        label = 3 if type_name == "int64" else 1
        field = message.field.add(
            name=field_name, number=number, label=label, type=types[type_name]
        )
        if type_name == "Int64Value":
            field.type_name = ".Int64Value"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))()


def test_batching_and_monitoring_are_messages_of_tf_serving(kit: Path) -> None:
    numbers = {"max_batch_size": 1, "batch_timeout_micros": 2, "max_enqueued_batches": 3}
    fields = {name: (number, "Int64Value") for name, number in numbers.items()}
    fields |= {"num_batch_threads": (4, "Int64Value"), "allowed_batch_sizes": (6, "int64")}
    parameters = message_of("BatchingParameters", fields)
    text_format.Parse((kit / "config" / "batching.config").read_text(), parameters)
    assert parameters.batch_timeout_micros.value == 2000
    sizes = list(parameters.allowed_batch_sizes)
    assert sizes == sorted(sizes)
    assert sizes[-1] == parameters.max_batch_size.value  # TF Serving demands both
    text = (kit / "config" / "monitoring.config").read_text()
    inner = re.search(r"prometheus_config \{(.*)\}", text, re.DOTALL)
    assert inner is not None
    monitoring = message_of("PrometheusConfig", {"enable": (1, "bool"), "path": (2, "string")})
    text_format.Parse(inner[1], monitoring)
    assert (monitoring.enable, monitoring.path) == (True, METRICS_PATH)
