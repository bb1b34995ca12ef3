"""Which models and versions a server serves, and how a ModelServerConfig says so."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from serving.server.policy import Every, Latest, ModelConfig, Policy, Specific, configs_of
from serving.wire.errors import Code, ServingError


def parse(text: str) -> Any:
    from tensorflow_serving.config import model_server_config_pb2

    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())


@pytest.mark.parametrize(
    ("policy", "versions"),
    [
        (Latest(), {9}),
        (Latest(2), {7, 9}),
        (Latest(5), {1, 7, 9}),
        (Specific((1, 8)), {1}),
        (Every(), {1, 7, 9}),
    ],
)
def test_policies_choose_versions(policy: Policy, versions: set[int]) -> None:
    assert policy.choose([1, 7, 9]) == versions
    assert policy.choose([]) == set()


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("", Latest(1)),
        ("model_version_policy { latest { num_versions: 3 } }", Latest(3)),
        ("model_version_policy { all {} }", Every()),
        ("model_version_policy { specific { versions: 2 versions: 5 } }", Specific((2, 5))),
    ],
)
def test_a_config_is_read(text: str, policy: Policy) -> None:
    message = parse(
        'model_config_list { config { name: "m" base_path: "/models/m" '
        f'model_platform: "tensorflow" {text} }} }}'
    )
    assert configs_of(message) == [ModelConfig("m", Path("/models/m"), policy)]


def test_labels_are_read() -> None:
    message = parse(
        'model_config_list { config { name: "m" base_path: "/m" '
        'version_labels { key: "stable" value: 2 } } }'
    )
    (config,) = configs_of(message)
    assert config.labels == {"stable": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expected a ModelServerConfig with a model_config_list"),
        ("custom_model_config {}", "model_config_list"),
        ('model_config_list { config { name: "m" } }', "name and a base_path"),
        (
            'model_config_list { config { name: "m" base_path: "a" } '
            'config { name: "m" base_path: "b" } }',
            "Illegal to list model m multiple times",
        ),
        (
            'model_config_list { config { name: "m" base_path: "a" model_platform: "other" } }',
            "'other' is not supported",
        ),
        (
            'model_config_list { config { name: "m" base_path: "a" '
            "model_version_policy { specific {} } } }",
            "to name versions",
        ),
    ],
)
def test_configs_that_cannot_be_served_are_refused(text: str, message: str) -> None:
    with pytest.raises(ServingError, match=message) as caught:
        configs_of(parse(text))
    assert caught.value.code is Code.INVALID_ARGUMENT
