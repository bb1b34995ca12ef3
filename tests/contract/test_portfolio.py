"""The portfolio: every candidate makes a valid spec where it applies, and stays out elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import RootstockError
from models.discovery import methods
from pipeline.auto.candidate import DEFAULT, Candidate, choices
from pipeline.spec.load import SpecSource

PORTFOLIO = methods("pipeline.auto.portfolio", Candidate)
TABLE = """\
name: small
data: {sources: [{format: csv, path: rows.csv}]}
"""
SPECS = {
    "columns": TABLE + "inputs: {x: {kind: numeric}}\ntasks: {y: {kind: binary, label: y}}\n",
    "two tasks": TABLE
    + "inputs: {x: {kind: numeric}}\n"
    + "tasks: {y: {kind: binary, label: y}, z: {kind: regression, label: z}}\n",
    "texts": TABLE + "inputs: {x: {kind: text}}\ntasks: {y: {kind: binary, label: y}}\n",
    "images": TABLE
    + "inputs: {x: {kind: image, height: 32, width: 32, channels: 3}}\n"
    + "tasks: {y: {kind: binary, label: y}}\n",
}
TRUNK = {
    "texts": "{name: keras_hub, preset: bert_tiny_en_uncased}",
    "images": "{name: applications, model: MobileNetV2}",
}


def source(directory: Path, name: str) -> SpecSource:
    path = directory / "spec.yaml"
    path.write_text(SPECS[name])
    return SpecSource(path)


@pytest.mark.parametrize("name", SPECS)
def test_candidates_make_valid_specs(name: str, tmp_path: Path) -> None:
    own = source(tmp_path, name)
    trunks = [TRUNK[name]] if name in TRUNK else []
    found = list(choices(own, trunks))
    assert found[0].name == DEFAULT
    assert len({c.name for c in found}) == len(found)
    for choice in found:
        changed = own.spec(*choice.overrides)
        assert (changed == own.spec()) == (choice.name == DEFAULT), choice.name
        assert choice.about


def test_every_candidate_applies_somewhere(tmp_path: Path) -> None:
    names = set()
    for name in SPECS:
        trunks = [TRUNK[name]] if name in TRUNK else []
        names |= {c.name.split(" ")[0] for c in choices(source(tmp_path, name), trunks)}
    assert names == set(PORTFOLIO)


def test_sharing_and_balancing_need_two_tasks(tmp_path: Path) -> None:
    names = {c.name for c in choices(source(tmp_path, "columns"), ())}
    more = {c.name for c in choices(source(tmp_path, "two tasks"), ())}
    assert more - names == {"mmoe", "apart", "uncertainty"}


def test_a_path_of_a_trunk_starts_at_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    own = source(tmp_path / "there", "texts")
    (tmp_path / "preset").mkdir()
    monkeypatch.chdir(tmp_path)
    found = [c for c in choices(own, ["{name: keras_hub, preset: preset}"]) if "frozen" in c.name]
    assert str(tmp_path / "preset") in found[0].overrides[0]
    assert found[0].name == "frozen preset"


def test_a_trunk_has_to_be_a_mapping(tmp_path: Path) -> None:
    with pytest.raises(RootstockError, match="--trunk bert: expected a trunk"):
        list(choices(source(tmp_path, "texts"), ["bert"]))
