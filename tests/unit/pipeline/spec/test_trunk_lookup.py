"""Finding registered versions as trained models in a store."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest

from components.artifacts import TrainedModel
from components.errors import RootstockError
from models.masked_url import MaskedUrl
from models.trunks.base import TrunkError
from models.trunks.scratch import Scratch
from models.trunks.trained import Registry
from pipeline.spec.trunk_lookup import find_model, looked_up, model_of_digest
from pipeline.store.fingerprint import Identity
from pipeline.store.place import local as place_of
from pipeline.store.store import Store
from pipeline.tracking.registry import DIGEST
from tests.remote import Bucket, bucket

__all__ = ["bucket"]

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


@dataclass(frozen=True)
class Trained:
    model: TrainedModel


def test_a_store_behind_a_url_gives_a_model_that_another_machine_trained(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url, identity = "bucket://b/store", Identity("Trainer", "{}", {}, {})
    store = Store(place_of(url)).open()
    with store.attempt(identity) as place:
        (place.output / "model").mkdir()
        (place.output / "model" / "model.json").write_text("{}")
        made = Trained(TrainedModel(place.output / "model"))
        published = store.publish(identity, place, made, {}, 0.0).load(Trained).model
    monkeypatch.setenv("ROOTSTOCK_CACHE", str(tmp_path / "another machine"))
    found = find_model(url)
    assert (found / "model.json").read_text() == "{}"
    assert found != published.path
    assert model_of_digest(place_of(url), published.digest) == found
    with pytest.raises(TrunkError, match="no model has been trained in it"):
        find_model("bucket://b/empty")
