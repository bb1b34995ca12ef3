"""Finding registered versions as trained models in a store."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import pytest

from components.errors import RootstockError
from models.masked_url import MaskedUrl
from models.trunks.scratch import Scratch
from models.trunks.trained import Registry
from pipeline.spec.trunk_lookup import looked_up
from pipeline.tracking.registry import DIGEST

# MLflow 3.17 asks SQLAlchemy 2.1 for what that deprecates.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"
)


@pytest.fixture
def uri(tmp_path: Path) -> MaskedUrl:
    """A registry with version 1, the champion, and version 2, which Rootstock did not register."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri, uri)
    client.create_registered_model("cats")
    for tags in ({DIGEST: "digest of cats"}, {}):
        client.create_model_version("cats", source=str(tmp_path), tags=tags)
    client.set_registered_model_alias("cats", "champion", "1")
    return MaskedUrl(uri)


@pytest.mark.slow
def test_a_version_is_found_in_the_store(tmp_path: Path, uri: MaskedUrl) -> None:
    entry = tmp_path / "store/Trainer/one"
    entry.mkdir(parents=True)
    record = {"created": 1, "outputs": {"model": {"digest": "digest of cats"}}}
    (entry / "artifact.json").write_text(json.dumps(record))
    for name in ("models:/cats@champion", "models:/cats/1"):
        found = looked_up(Registry(model=name), tmp_path / "store", uri)
        assert found == Registry(model=str(entry / "model"))
    named = Registry(model="models:/cats/1", store=str(tmp_path / "store"))
    assert looked_up(named, tmp_path / "other", uri) == Registry(model=str(entry / "model"))
    with pytest.raises(RootstockError, match=r"not in the store .*other"):
        looked_up(Registry(model="models:/cats/1"), tmp_path / "other", uri)
    for name, told_so in (
        ("models:/cats@challenger", "challenger"),
        ("models:/dogs/1", "dogs"),
        ("models:/cats/2", "not trained by Rootstock"),
    ):
        with pytest.raises(RootstockError, match=told_so):
            looked_up(Registry(model=name), tmp_path, uri)


def test_other_trunks_need_no_mlflow(tmp_path: Path) -> None:
    assert looked_up(Scratch(), tmp_path, MaskedUrl("http://no-such-host.invalid")) == Scratch()
    local = Registry(model=str(tmp_path))
    (tmp_path / "model.json").touch()
    assert looked_up(local, tmp_path, MaskedUrl("http://no-such-host.invalid")) == local
