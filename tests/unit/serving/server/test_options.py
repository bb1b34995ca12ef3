"""The command line of the server."""

from pathlib import Path

import pytest

from serving.server.batching import Batching
from serving.server.options import batching_of, configs, limits_of, parse
from serving.server.policy import Latest, ModelConfig


def test_defaults() -> None:
    options = parse(["--model", "m=/models/m"])
    assert configs(options) == [ModelConfig("m", Path("/models/m"), Latest(1))]
    assert (options.host, options.rest_port, options.grpc_port) == ("127.0.0.1", 8501, 8500)
    assert batching_of(options) is None
    assert limits_of(options).token is None


def test_models_limits_and_batching(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "models.config").write_text(
        'model_config_list { config { name: "b" base_path: "/b" } }'
    )
    arguments = ["--model", "a=/a=1", "--model-config-file", str(tmp_path / "models.config")]
    arguments += ["--token-file", str(tmp_path / "token"), "--max-body-bytes", "7"]
    arguments += ["--max-pending", "3", "--batch-rows", "16", "--batch-wait-ms", "2.5"]
    options = parse([*arguments, "--batch-queue", "99"])
    assert configs(options) == [ModelConfig("a", Path("/a=1")), ModelConfig("b", Path("/b"))]
    limits = limits_of(options)
    assert (limits.body_bytes, limits.pending, limits.token) == (7, 3, "secret")
    batching = batching_of(options)
    assert isinstance(batching, Batching)
    assert (batching.rows, batching.wait_ms, batching.queue) == (16, 2.5, 99)
    assert batching.runs >= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --model NAME=BASE_PATH or --model-config-file"),
        (["--model", "m"], "expected NAME=BASE_PATH, received 'm'"),
        (["--model", "=x"], "expected NAME=BASE_PATH"),
        (["--model", "a/b=x"], "a model name has no '/' or ':', received 'a/b'"),
        (["--model", "m=x", "--tls-cert", "c"], "give --tls-cert and --tls-key, or neither"),
        (["--model", "m=x", "--tls-cert", "no", "--tls-key", "no"], "--tls-cert no"),
        (["--model", "m=x", "--token-file", "/nowhere"], "/nowhere: No such file"),
        (["--model-config-file", "/nowhere"], "/nowhere"),
    ],
)
def test_wrong_options_are_explained(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--token-file", "--model-config-file"])
def test_files_with_wrong_content_are_explained(
    tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("" if option == "--token-file" else "nonsense {")
    with pytest.raises(SystemExit):
        parse(["--model", "m=x", option, str(file)])
    assert str(file) in capsys.readouterr().err
