"""The set of served models."""

from pathlib import Path

import pytest

from serving.server.models import Models
from serving.server.policy import ModelConfig
from serving.server.served_model import Target
from serving.wire.errors import Code, ServingError
from serving.wire.names import State


def test_models_are_called_by_name(models: Models) -> None:
    with models.use(Target("m")) as (number, model):
        assert number == 1
        assert "serving_default" in model.signatures
    (status,) = models.status(Target("m"))
    assert (status.number, status.state, status.code) == (1, State.AVAILABLE, Code.OK)
    assert models.available()
    assert (models.metric_label("m"), models.metric_label("other")) == ("m", "")


def test_other_names_are_not_found(models: Models) -> None:
    with (
        pytest.raises(ServingError, match=r"Latest\(other\)") as caught,
        models.use(Target("other")),
    ):
        pass
    assert caught.value.code is Code.NOT_FOUND
    with pytest.raises(ServingError, match="Could not find any versions of model other"):
        models.status(Target("other"))


def test_reloading_replaces_the_set(base: Path, tmp_path: Path) -> None:
    models = Models([])
    models.reload([ModelConfig("a", base), ModelConfig("b", base)])
    models.reload([ModelConfig("b", base), ModelConfig("c", base)])
    assert [models.metric_label(name) for name in "abc"] == ["", "b", "c"]
    with pytest.raises(ServingError, match="No version of empty can be served") as caught:
        models.reload([ModelConfig("b", base), ModelConfig("empty", tmp_path)])
    assert caught.value.code is Code.FAILED_PRECONDITION
    assert not models.available()


def test_a_thread_finds_versions(base: Path, tmp_path: Path) -> None:
    models = Models([ModelConfig("m", base)], period_s=0.01)
    models.start()
    models.wait_available()
    assert models.available()
    models.stop()
    assert not models.available()
    (tmp_path / "1").mkdir()
    broken = Models([ModelConfig("m", tmp_path)], period_s=0.01)
    broken.start()
    broken.wait_failed()
    broken.stop()
