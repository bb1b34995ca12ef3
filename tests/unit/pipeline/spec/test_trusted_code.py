"""Code in trained models from elsewhere runs only if the user allows it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from components.data.digests import digest_tree
from components.errors import RootstockError
from models.inputs.base import StateFile
from models.masked_url import MaskedUrl
from models.trunks.trained import Registry
from pipeline.spec.trunk_lookup import looked_up

URI = MaskedUrl("sqlite:///none.db")


def model(directory: Path, ran: Path, code: bool = True, nested: bool = False) -> Path:
    """A trained model whose code would leave a mark."""
    source = f"import pathlib\npathlib.Path({str(ran)!r}).touch()\nclass Evil: ..."
    feature = {"kind": "layer", "name": "size", "layer": "Evil", "source": source}
    record = {"features": [feature] if code else [{"kind": "numeric", "name": "size"}]}
    (directory / "trunk_source").mkdir(parents=True)
    (directory / "model.json").write_text(json.dumps({"features": []} if nested else record))
    if nested:
        (directory / "trunk_source/model.json").write_text(json.dumps(record))
    return directory


def publish(store: Path, stage: str, trained: Path) -> Path:
    entry = store / stage / "one"
    entry.mkdir(parents=True)
    shutil.copytree(trained, entry / "model")
    record = {"created": 1, "outputs": {"model": {"digest": digest_tree(trained)}}}
    (entry / "artifact.json").write_text(json.dumps(record))
    return entry / "model"


@pytest.mark.parametrize("nested", [False, True])
def test_code_from_elsewhere_is_refused_until_it_is_allowed(tmp_path: Path, nested: bool) -> None:
    ran, store = tmp_path / "ran", tmp_path / "store"
    foreign = model(tmp_path / "foreign", ran, nested=nested)
    elsewhere = publish(tmp_path / "other", "Trainer", foreign)
    for place in (foreign, tmp_path / "other"):
        with pytest.raises(RootstockError) as e:
            looked_up(Registry(model=str(place)), store, URI)
        file = "trunk_source/model.json" if nested else "model.json"
        assert f"{file}: the class Evil of feature 'size' (3 lines)" in str(e.value)
        assert f"not made in the store {store}" in str(e.value)
        assert "model.trunk.allow_code: true" in str(e.value)
        assert not ran.exists()
    allowed = looked_up(Registry(model=str(elsewhere), allow_code=True), store, URI)
    assert allowed == Registry(model=str(elsewhere))


@pytest.mark.parametrize("stage", ["Trainer", "Exporter"])
def test_code_of_this_store_runs(tmp_path: Path, stage: str) -> None:
    own = model(tmp_path / "copy", tmp_path / "ran")
    published = publish(tmp_path / "store", stage, own)
    for place in (own, published):
        assert looked_up(Registry(model=str(place)), tmp_path / "store", URI).model == str(place)
    (published / "model.json").write_text((published / "model.json").read_text() + " ")
    with pytest.raises(RootstockError, match="allow_code"):  # somebody changed it
        looked_up(Registry(model=str(published)), tmp_path / "store", URI)


def test_a_model_without_code_needs_no_permission(tmp_path: Path) -> None:
    plain = model(tmp_path / "plain", tmp_path / "ran", code=False)
    assert looked_up(Registry(model=str(plain)), tmp_path / "store", URI).model == str(plain)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", "a\\b", "a//b"])
def test_files_in_a_model_stay_where_they_are_unpacked(name: str) -> None:
    with pytest.raises(ValueError, match="expected a relative path"):
        StateFile(name=name, content="")
