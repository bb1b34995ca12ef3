"""Specs made in Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rootstock as rs

PARTS = {
    "name": "fruit",
    "data": [{"format": "csv", "path": Path("fruit.csv")}],
    "inputs": {"size": "numeric", "colour": {"kind": "categorical"}},
    "tasks": {"ripe": {"kind": "binary", "label": "ripe", "positive": "yes"}},
    "training": {"epochs": np.int64(3)},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [f"{i},{'red' if i % 2 else 'green'},{'yes' if i % 3 else 'no'}" for i in range(40)]
    (tmp_path / "fruit.csv").write_text("\n".join(["size,colour,ripe", *rows]))
    return tmp_path


def test_importing_is_light() -> None:
    code = (
        "import rootstock, sys; rootstock.__all__;"
        "heavy = {'tensorflow', 'keras', 'pandas', 'pydantic', 'pyarrow', 'numpy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_spec_in_code_is_a_file_that_says_the_same(folder: Path) -> None:
    spec = rs.Spec(**PARTS)
    again = rs.Spec.load(spec.path)
    assert again.sections == spec.sections
    assert spec.sections.data.sources[0].path == str(folder / "fruit.csv")
    assert spec.sections.store == str(folder / ".rootstock")
    assert spec.sections.push.destination == str(folder / ".rootstock" / "serving")
    assert (spec.tasks, spec.inputs) == (["ripe"], ["size", "colour"])
    assert not list(folder.glob(".*.yaml"))
    assert spec.check() == []
    other = spec.with_values({"training.epochs": 5, "model.balancing": "pcgrad"})
    assert (other.sections.training.epochs, spec.sections.training.epochs) == (5, 3)
    assert other.sections.model.balancing.name == "pcgrad"
    assert "training.epochs=5" in other._repr_html_()
    assert rs.Spec(**PARTS).path == spec.path
    push = rs.Spec(**PARTS, push={"keep": 2, "label": "canary"}, store="own").sections.push
    assert (push.keep, push.label) == (2, "canary")
    assert push.destination == str(folder / "own" / "serving"), "it follows the store"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"balancing": "pcgard"}}, "Spec:.*model.balancing.name: 'pcgard' is not known"),
        ({"inputs": {"size": object()}}, "Spec: expected text, numbers, lists and mappings"),
        ({"modle": {}}, "modle: unknown key. Did you mean 'model'"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(rs.RootstockError, match=message):
        rs.Spec(**{**PARTS, **change})


def test_a_first_spec_for_a_file() -> None:
    spec = rs.Spec.guess("fruit.csv", "ripe")
    assert spec.path == Path("spec.yaml")
    assert spec.tasks == ["ripe"]
    with pytest.raises(rs.RootstockError, match="siez"):
        spec.with_values({"inputs.size.column": "siez"}).check()
